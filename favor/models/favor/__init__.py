"""FAVOR: windows of video and questions in, answers out."""
