"""Executing a run: in this process, in several workers, or on a cluster."""
