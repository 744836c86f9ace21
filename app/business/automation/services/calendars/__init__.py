"""Calendars of sites: when they are open, and what becomes of planned times at which they are closed."""
