"""Executes the due runs of a queue: together where that leads to the same result, else one after the other."""
