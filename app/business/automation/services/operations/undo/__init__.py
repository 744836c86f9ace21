"""Undoing a run: archive what it made and nobody touched, and give back the statuses that it set."""
