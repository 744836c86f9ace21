"""Differences between two definitions of a rule, and between a file and the account."""
