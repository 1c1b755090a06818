"""Decoding packets into windows of frames and sound."""
