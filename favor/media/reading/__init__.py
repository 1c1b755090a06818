"""Packets become windows of frames and sound."""
