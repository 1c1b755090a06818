"""Splitting files at scene boundaries; requires the extra ``scenes``."""
