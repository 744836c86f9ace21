"""The read side of runs: lists, figures, and the origin of records."""
