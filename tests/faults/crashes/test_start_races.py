"""Eight concurrent processes: follow-ups, retries, rescues and changed prices against the total of one start."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.billing.models import CreditEntry, SpendCounter
from tests.factories import NOW, make_account, make_sector, make_site, make_task
from tests.faults.crashes.start_races import Meddling, race
from tests.sampling import times

PROCESSES = 8
ROUNDS = times(full=40, sample=1)
MORE_ROUNDS = 4
"""At most, while nothing has been charged: then the race would show nothing."""
STEPS = times(full=60, sample=12)
TOTAL = 40
TASKS = 20


def make_start(session: Session) -> int:
    """One start over twenty tasks of 300 words, three of them in a run, within forty credits; its account."""
    account = make_account(session, credits=100_000)
    sector = make_sector(session, make_site(session, account))
    for _ in range(TASKS):
        make_task(session, sector, word_count=300)
    values = {
        "name": "Articles",
        "trigger": "task_created",
        "actions": [{"type": "generate_content"}],
        "credit_limit_per_execution": 10,
        "record_limit": 3,
        "max_executions_per_day": 10_000,
        "stop_after_failures": 0,
    }
    service = AutomationService()
    rule = service.create_rule(session, account, values, Actor(None), NOW)
    service.execute(session, rule, Actor(None), NOW, max_credits=TOTAL)
    return account.id


def spent_by_start(session: Session) -> list[int]:
    session.rollback()
    first = func.coalesce(ScheduledTask.start_id, ScheduledTask.id)
    query = (
        select(-func.sum(CreditEntry.amount))
        .join(ScheduledTask, ScheduledTask.id == CreditEntry.run_id)
        .where(CreditEntry.kind == "charge")
        .group_by(first)
    )
    return list(session.scalars(query))


def run_race(session: Session, database_url: str, seed: int, *, guarded: bool = True) -> None:
    accounts = [make_start(session) for _ in range(2)]
    session.commit()
    works = [Meddling(accounts, seed * 100 + number, STEPS, NOW) for number in range(PROCESSES)]
    assert sum(race(database_url, works, guarded=guarded)) > 0


@pytest.mark.both_databases
def test_a_start_never_spends_more_than_its_total(
    session: Session, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    for seed in range(ROUNDS):
        run_race(session, database_url, seed)
    # Rescues may interrupt every article of a round.
    for seed in range(ROUNDS, ROUNDS + MORE_ROUNDS):
        if not spent_by_start(session):
            run_race(session, database_url, seed)
    spent = spent_by_start(session)
    record_property("figure", f"{len(spent)} starts within {TOTAL} credits each spent {sorted(spent)}")
    assert spent
    assert max(spent) <= TOTAL
    assert all(
        counter.spent + counter.held <= TOTAL
        for counter in session.scalars(select(SpendCounter).where(SpendCounter.scope == "start"))
    )
    wrong = {breach.name for breach in audit(session, NOW)}
    assert (
        wrong & {"start_totals", "counters", "hold_parts", "held", "balance", "charged_within_hold"} == set()
    )


def test_this_race_fails_if_a_retry_ignores_the_counter(session: Session, database_url: str) -> None:
    for seed in range(times(full=10, sample=5)):
        run_race(session, database_url, seed, guarded=False)
        if "start_totals" in {breach.name for breach in audit(session, NOW)}:
            return
        session.rollback()
    raise AssertionError("no start went beyond its total, or no one counted it")
