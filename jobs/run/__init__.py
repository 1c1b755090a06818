"""Commands that process or survey a corpus."""
