"""Conditions in the rule form: from rows and groups of inputs to the tree of a rule, and back."""
