"""The forecast against made-up months whose end is known."""

from datetime import timedelta
from statistics import mean

from sqlalchemy.orm import Session

from app.business.automation.services.outlook import look_ahead
from tests.business.automation.months import make_month
from tests.factories import make_plan

MONTHS = 40


def test_the_true_day_lies_in_the_range_in_nine_months_of_ten(session: Session) -> None:
    make_plan(session, monthly_credits=0)
    hits, widths = [], []
    for seed in range(MONTHS):
        month = make_month(session, seed)
        forecast = look_ahead(session, month.account, month.now).forecast()
        beyond = forecast.points[-1].on + timedelta(days=1)
        first, last, true = (
            min(on or beyond, beyond) for on in (forecast.earliest, forecast.latest, month.runs_out)
        )
        hits.append(first <= true <= last)
        widths.append((last - first).days + 1)
    print(f"{sum(hits)} of {MONTHS} months, mean width {mean(widths):.1f} days")  # noqa: T201 - the measure itself
    assert sum(hits) >= 0.9 * MONTHS
    assert mean(widths) < 16
