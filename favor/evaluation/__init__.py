"""Benchmarks and metrics; no Beam."""
