"""Who does the work: this process, several workers, a cluster."""
