"""Training of the parts that FAVOR trains."""
