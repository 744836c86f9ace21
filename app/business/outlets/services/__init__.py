"""Connections of an account to external services, their messages, and their costs."""
