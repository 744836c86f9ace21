"""When schedules are due: cron lines and single moments in time zones, as instants and as sentences. Pure functions."""
