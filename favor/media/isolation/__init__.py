"""Probing and decoding in a separate process."""
