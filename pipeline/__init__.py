"""The pipeline: options, graph, runners, the journal of results, progress and report."""
