"""What is in a corpus: patterns and manifests become media files."""
