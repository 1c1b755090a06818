"""Commands that read an output."""
