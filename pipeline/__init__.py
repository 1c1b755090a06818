"""The pipeline: options, graph, runners, output, progress and report."""
