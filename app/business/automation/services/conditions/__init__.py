"""Conditions: read from JSON, checked, compiled to Python and to SQL, analysed, and described in words."""
