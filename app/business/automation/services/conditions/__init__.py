"""Conditions: read from JSON, checked, compiled to Python and to SQL, reasoned about, and told in words."""
