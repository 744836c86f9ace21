"""Replaying a rule over past days: the times, events and records as they were, with nothing done."""
