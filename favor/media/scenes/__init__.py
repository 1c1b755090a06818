"""Where scenes end; needs the extra scenes."""
