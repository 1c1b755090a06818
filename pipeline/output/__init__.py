"""Everything in the output directory."""
