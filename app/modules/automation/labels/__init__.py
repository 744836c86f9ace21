"""Words for pages: runs, explanations, limits, findings, fields of a rule."""
