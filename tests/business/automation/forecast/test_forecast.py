"""The arithmetic of the forecast: paces, budgets, grants and the range."""

from datetime import date, timedelta
from typing import Any

import pytest

from app.business.automation.services.forecast.pace import Stream, measure
from app.business.automation.services.forecast.projection import Cap, Forecast, Funds, make_forecast

TODAY = date(2026, 11, 24)
GRANT_ON = date(2026, 12, 1)
PAST = [TODAY - timedelta(days=back) for back in range(28, 0, -1)]
COMING = [TODAY + timedelta(days=number) for number in range(38)]
WORKING = [float(day.weekday() < 5) for day in PAST]


def stream(used: Any = 20, **values: Any) -> Stream:
    """A rule that used this amount on every day, or these amounts."""
    lines = used if isinstance(used, list) else [used] * 28
    usual = {"rule_id": 1, "site_id": None, "used": lines, "on": [1.0] * 28, "due": [1.0] * 38}
    return Stream(**usual | values)


def ahead(funds: Funds, *streams: Stream) -> Forecast:
    return make_forecast(funds, streams, PAST, COMING)


def test_credits_run_out_on_the_first_day_they_cannot_pay_for() -> None:
    found = ahead(Funds(100), stream())
    assert found.runs_out == TODAY + timedelta(days=5)
    assert found.earliest <= found.runs_out <= found.latest
    assert [round(point.likely) for point in found.points[:6]] == [80, 60, 40, 20, 0, 0]


def test_a_grant_comes_in_time_and_carries_over_as_the_plan_says() -> None:
    granted = {"grant": 500, "grants_on": [GRANT_ON]}
    balances = {
        rollover: round(
            ahead(Funds(200, rollover=rollover, rollover_cap=25, **granted), stream()).points[7].likely
        )
        for rollover in ("add", "reset", "cap")
    }
    assert balances == {"add": 540, "reset": 480, "cap": 505}
    found = ahead(Funds(200, **granted), stream())
    assert (found.next_grant_on, round(found.left_at_grant.likely)) == (GRANT_ON, 60)


def test_working_days_and_weekends_have_separate_paces() -> None:
    pace = measure(stream(used=[10 * due for due in WORKING]), PAST)
    assert pace.on(date(2026, 11, 25)) > 8
    assert pace.on(date(2026, 11, 28)) < 2.5


def test_a_rule_that_is_not_due_uses_nothing_and_is_measured_by_its_due_days() -> None:
    tuesdays = [float(day.weekday() == 1) for day in PAST]
    due = [float(day.weekday() == 1) for day in COMING]
    found = ahead(Funds(1000), stream(used=[50 * part for part in tuesdays], on=tuesdays, due=due))
    assert round(found.uses[1]) == 250
    assert round(found.points[0].likely) == round(found.points[6].likely) == 950


def test_a_rule_switched_on_five_days_ago_is_known_by_those_days_and_less_surely() -> None:
    young = stream(used=[0] * 23 + [20] * 5, on=[0.0] * 23 + [1.0] * 5)
    found, known = ahead(Funds(400), young), ahead(Funds(400), stream())
    assert round(found.uses[1]) == 600
    assert found.points[9].high - found.points[9].low > known.points[9].high - known.points[9].low


def test_a_rule_that_never_ran_is_estimated_and_takes_waiting_records_first() -> None:
    new = stream(used=0, on=[0.0] * 28, estimated_use=10, waiting=50, most=40)
    found = ahead(Funds(1000), new)
    assert [round(point.likely) for point in found.points[:3]] == [960, 930, 920]


def test_budgets_bound_the_use_until_their_period_ends() -> None:
    assert ahead(Funds(9000, ceiling=Cap(15, 5)), stream()).uses[1] == pytest.approx(5 + 29 * 15)
    of_rule = ahead(Funds(9000, rules={1: Cap(100, 30)}), stream())
    of_site = ahead(Funds(9000, sites={3: Cap(100, 30)}), stream(site_id=3))
    assert of_rule.uses[1] == of_site.uses[1] == pytest.approx(130)


def test_a_ceiling_bounds_the_worst_course_too() -> None:
    found = ahead(Funds(1000, ceiling=Cap(20, 20)), stream(used=[0, 40] * 14))
    assert found.points[4].low >= 1000 - 5 * 20


def test_irregular_days_widen_the_range_and_regular_ones_do_not() -> None:
    even, stray = ahead(Funds(150), stream()), ahead(Funds(150), stream(used=[0, 0, 0, 80] * 7))
    width = [(found.latest - found.earliest).days for found in (even, stray)]
    assert width[0] <= 4 < width[1]


def test_the_same_facts_give_the_same_forecast() -> None:
    assert ahead(Funds(300), stream([3, 9] * 14)) == ahead(Funds(300), stream([3, 9] * 14))


def test_without_use_credits_never_run_out_and_no_rule_has_a_share() -> None:
    for found in (ahead(Funds(0)), ahead(Funds(10), stream().times(0))):
        assert (found.runs_out, found.earliest, found.latest, found.used, found.share(1)) == (
            None,
            None,
            None,
            0,
            None,
        )
