"""Commands that make models and what they learn from."""
