"""Rules replayed over past days."""
