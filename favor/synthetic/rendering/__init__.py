"""Rendering of scenes to pixels, samples and files."""
