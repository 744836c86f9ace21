"""Trying a rule with nothing done: on one record, and in practice mode."""
