"""Actions in the rule form: an ordered list, each with the inputs of its parameters."""
