"""Reporting on runs to people."""
