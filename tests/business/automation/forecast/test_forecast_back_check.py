"""The forecast against generated months whose end is known."""

from datetime import timedelta
from random import Random
from statistics import mean

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Waiting
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.automation.services.history.run_attention import waiting_counts
from app.business.events import Origin
from app.business.planner.services.cluster_service import create_cluster
from tests.business.automation.forecast.months import make_month
from tests.business.automation.machine import Machine
from tests.factories import make_account, make_plan, make_sector, make_site

MONTHS = 40
TEN_IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 10}}


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


def test_the_engine_runs_out_of_credits_on_a_day_of_the_range(machine: Machine, session: Session) -> None:
    """A week of real runs, then a forecast, then on until a run has to wait for credits."""
    account = make_account(session, credits=200, plan=make_plan(session, monthly_credits=0))
    sector = make_sector(session, make_site(session, account))
    machine.make_rule(account, trigger="cluster_created", actions=[TEN_IDEAS], when_limited="wait")
    chance, forecast = Random(3), None
    for number in range(60):
        if number == 7:
            forecast = look_ahead(session, account, machine.now).forecast()
        for _ in range(chance.randint(0, 2)):
            name = f"cluster {number} {chance.random()}"
            create_cluster(session, sector, {"name": name}, origin=Origin(account.id), now=machine.now)
        machine.settle()
        if waiting_counts(session, Scope(account.id)).get(Waiting.CREDITS):
            break
        machine.pass_time(days=1)
    assert forecast
    assert forecast.earliest <= machine.now.date() <= forecast.latest
    assert (forecast.latest - forecast.earliest).days < 30
