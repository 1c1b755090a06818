"""The models that come with this package."""
