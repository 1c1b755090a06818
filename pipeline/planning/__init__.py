"""Before a run: what a corpus is, and what a run over it takes."""
