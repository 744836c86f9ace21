"""What pages call things: runs, explanations, limits, findings, fields of a rule."""
