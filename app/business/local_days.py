"""Which local day an instant of a row belongs to, as an expression of SQL."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Case, ColumnElement, Date, case, literal, null
from sqlalchemy.orm import InstrumentedAttribute

from app.business.time_zones import start_of_day


def on_day(
    at: ColumnElement[datetime] | InstrumentedAttribute[datetime], zone: str, days: Sequence[date]
) -> Case[date]:
    """Which of the consecutive days of the zone the instant belongs to; null for any other."""
    ends = ((at < start_of_day(day + timedelta(days=1), zone), literal(day, Date())) for day in days)
    return case((at < start_of_day(days[0], zone), null()), *ends, else_=null())
