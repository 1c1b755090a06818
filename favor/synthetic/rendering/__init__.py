"""A scene as pixels, samples and files."""
