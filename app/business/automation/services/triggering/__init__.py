"""Triggers of runs: planned times and events, and the switch that decides whether they reach a rule."""
