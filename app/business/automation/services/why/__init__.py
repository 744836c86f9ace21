"""Explains why a rule took a record or did not, and which change would make the difference."""
