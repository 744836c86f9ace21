"""Checks on ids, numbers, JSON and preconditions, for every part of a request."""
