"""Days in an account's time zone."""

from datetime import UTC, datetime, timedelta


def next_local_day(local: datetime) -> datetime:
    """The first instant of the day after `local`, which is in the account's zone."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (midnight + timedelta(days=1)).astimezone(UTC)
