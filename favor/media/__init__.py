"""Media files become windows of aligned frames and samples."""
