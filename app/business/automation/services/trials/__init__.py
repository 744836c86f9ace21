"""Trying a rule with nothing done: on a record, on the past, and in practice mode."""
