"""The seam between the pipeline and its models, and the families behind it."""
