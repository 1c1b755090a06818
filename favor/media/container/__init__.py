"""Reading an open media file's streams, packets and length."""
