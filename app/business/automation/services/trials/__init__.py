"""Trying a rule without side effects: with one record, and in practice mode."""
