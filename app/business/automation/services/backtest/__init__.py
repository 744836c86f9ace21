"""Replays a rule over past days, with the times, events and records of then, without side effects."""
