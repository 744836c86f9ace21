"""Conditions in the rule form: from rows and groups that are typed to the tree of a rule, and back."""
