"""Importing released files into a model folder."""
