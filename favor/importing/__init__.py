"""Released files become one model folder."""
