"""Probing and decoding in a process of its own."""
