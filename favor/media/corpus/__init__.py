"""The contents of a corpus: finding media files from patterns and manifests."""
