"""Which local day an instant of a row belongs to, as an expression of SQL."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Date, case, literal, null

from app.business.time_zones import start_of_day


def on_day(at: Any, zone: str, days: Sequence[date]) -> Any:
    """Which of the consecutive days of the zone the instant belongs to; null for any other."""
    ends = ((at < start_of_day(day + timedelta(days=1), zone), literal(day, Date())) for day in days)
    return case((at < start_of_day(days[0], zone), null()), *ends, else_=null())
