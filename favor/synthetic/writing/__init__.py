"""Generation of random scenes."""
