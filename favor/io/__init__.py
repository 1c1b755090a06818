"""Storage, row files and atomic folders, independent of media and models."""
