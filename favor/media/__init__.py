"""Reading media files as windows of aligned frames and samples."""
