"""The ends of each rule's runs, by day and of the last ones: those of the runs themselves, in every zone."""

from collections import Counter
from datetime import date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import CLOSED, Reason, ScheduledTask, Status
from app.business.automation.services.history.rule_days import (
    DAYS,
    LATEST,
    PRACTISED,
    ends_by_day,
    latest_ends,
)
from app.business.periods import day_of, last_days
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account

pytestmark = pytest.mark.both_databases


@pytest.fixture
def rules(session: Session, account: Account, now: datetime) -> list[int]:
    """Two rules with runs of the last forty days, and one of another account."""
    chance = Random(17)
    found = [
        make_rule(session, account),
        make_rule(session, account),
        make_rule(session, make_account(session)),
    ]
    for number in range(90):
        status = chance.choice([*Status, Status.COMPLETED])
        run = make_run(session, found[number % 3], now - timedelta(hours=chance.random() * 24 * 40), status)
        if status == Status.SKIPPED and chance.random() < 0.5:
            run.reason = Reason.SHADOW
    session.flush()
    return [rule.id for rule in found]


def test_days_have_the_ends_of_their_runs(
    session: Session, account: Account, rules: list[int], now: datetime
) -> None:
    for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns"):
        check_days(session, account, rules, now, zone)


def check_days(session: Session, account: Account, rules: list[int], now: datetime, zone: str) -> None:
    period = last_days(DAYS, zone, now)
    found = ends_by_day(session, Scope(account.id), rules, period, zone, now)
    told = {
        (rule_id, on, name): number
        for rule_id, days in found.items()
        for on, ends in days.items()
        for name, number in ends._asdict().items()
        if number
    }
    wanted: Counter[tuple[int, date, str]] = Counter(
        (run.automation_rule_id, day_of(run.scheduled_at, zone), str(run.status))
        for run in session.scalars(select(ScheduledTask).where(ScheduledTask.account_id == account.id))
        if run.status in CLOSED and period.start <= run.scheduled_at <= now
    )
    assert told == wanted
    assert len(wanted) > 20


def test_the_last_runs_are_those_that_ended_last(
    session: Session, account: Account, rules: list[int]
) -> None:
    found = latest_ends(session, Scope(account.id), rules)
    runs = session.scalars(
        select(ScheduledTask)
        .where(ScheduledTask.account_id == account.id, ScheduledTask.status.in_(CLOSED))
        .order_by(ScheduledTask.scheduled_at, ScheduledTask.id)
    ).all()
    wanted: dict[int, list[str]] = {}
    for run in runs:
        end = PRACTISED if run.reason == Reason.SHADOW else run.status
        wanted.setdefault(run.automation_rule_id, []).append(end)
    assert found == {rule_id: ends[-LATEST:] for rule_id, ends in wanted.items()}
    assert latest_ends(session, Scope(account.id), []) == {}
