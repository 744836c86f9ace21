"""The read side of runs: pages, figures, and where a record comes from."""
