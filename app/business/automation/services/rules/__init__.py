"""The content of a rule: definition, versions, cost and sentence. Nothing in this package starts a run."""
