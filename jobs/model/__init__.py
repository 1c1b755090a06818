"""Commands that make models and training data."""
