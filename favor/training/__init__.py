"""Training of FAVOR models."""
