"""Reading and writing everything in the output directory."""
