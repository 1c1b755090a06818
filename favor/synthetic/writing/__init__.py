"""Scenes at random."""
