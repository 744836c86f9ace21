"""Every record promised by a start or an event batch is in exactly one run, or counted as left out or remaining.

Random limits, sizes, causes and obstacles; more of them with TRIALS=full.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.events import EventType, Origin, open_batch, record_events
from app.business.planner.models import Cluster, Keyword, Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, LABEL, clusters_with_keywords
from tests.factories import make_account, make_keyword, make_sector, make_site
from tests.sampling import times

SEEDS = range(times(full=300, sample=3))


def start(
    machine: Machine, chance: random.Random, rule: AutomationRule, ids: list[int], cause: str
) -> tuple[list[int], ScheduledTask | None]:
    """The records promised, and the first run where there is one already."""
    service, actor = AutomationService(), Actor(None)
    total = chance.choice([None, None, chance.randrange(60)])
    if cause == "backfill":
        service.enable(machine.session, rule, actor, machine.now, backfill=True, max_credits=total)
        return ids, None
    if cause == "event":
        send_events(machine, rule, ids)
        return ids, None
    picked = chance.sample(ids, chance.randint(1, len(ids))) if cause == "api" else None
    run = service.execute(
        machine.session, rule, actor, machine.now, record_ids=picked, max_credits=total, even_if_off=True
    )
    return picked or ids, run


def send_events(machine: Machine, rule: AutomationRule, ids: list[int]) -> None:
    batch = open_batch(machine.session, EventType(rule.trigger), Origin(rule.account_id), machine.now)
    rows = [{"record_id": key, "site_id": None, "sector_id": None, "data": {}} for key in ids]
    record_events(machine.session, batch, rule.record_type or "", rows)
    batch.closed_at = machine.now


def make(machine: Machine, chance: random.Random, account: Account, sector: Sector) -> Any:
    values: dict[str, Any] = {
        "record_limit": chance.choice([1, 3, 7, 50]),
        "credit_limit_per_execution": chance.choice([5, 12, 30, 100]),
        "max_executions_per_day": chance.choice([1, 3, 1000]),
        "when_limited": chance.choice([None, "wait", "skip"]),
        "batching": chance.choice(["batch", "batch", "each"]),
        "conditions": {"field": "status", "operator": "eq", "value": "new"},
    }
    count = chance.randint(1, 25)
    if chance.random() < 0.5:
        ids = clusters_with_keywords(machine.session, sector, count)
        rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS], **values)
    else:
        ids = [make_keyword(machine.session, sector).id for _ in range(count)]
        rule = machine.make_rule(account, trigger="keyword_added", actions=[LABEL], **values)
    return rule, ids


def hindrances(machine: Machine, chance: random.Random, ids: list[int], model: Any) -> Iterator[None]:
    """Between the rounds: records that no longer match."""
    status = "done" if model is Cluster else "ignored"
    for _ in range(3):
        machine.look()
        if chance.random() < 0.5:
            gone = chance.sample(ids, chance.randint(0, len(ids) // 3))
            machine.session.execute(update(model).where(model.id.in_(gone)).values(status=status))
        machine.session.commit()
        yield


def come_to_rest(machine: Machine) -> None:
    """Let days pass until nothing is pending."""
    for _ in range(60):
        machine.settle()
        if not machine.runs(Status.PENDING, Status.RUNNING):
            return
        machine.pass_time(days=1)
    raise AssertionError("runs still wait after sixty days")


@pytest.mark.parametrize("seed", SEEDS)
def test_each_promised_record_is_in_one_run_or_counted(machine: Machine, session: Session, seed: int) -> None:
    chance = random.Random(seed)
    account = make_account(session, credits=chance.choice([20, 10_000]))
    sector = make_sector(session, make_site(session, account))
    rule, ids = make(machine, chance, account, sector)
    cause = chance.choice(["manual", "api", "backfill", "event"])
    promised, _ = start(machine, chance, rule, ids, cause)
    session.commit()
    model = Cluster if rule.record_type == "cluster" else Keyword
    for _ in hindrances(machine, chance, ids, model):
        machine.pass_time(hours=chance.choice([0, 5, 30]))
    if account.credits_balance < 100:
        machine.pass_time(days=31)
    come_to_rest(machine)
    runs = [run for run in machine.runs() if run.promised is not None]
    taken = [key for run in runs for key in records_of(session, run) if run.admitted_at and not run.from_step]
    assert len(taken) == len(set(taken))
    assert len(promised) == len(taken) + sum(run.left_out + run.remaining for run in runs)
    assert set(taken) <= set(promised)
    # No month's grant is made here.
    assert [line for line in machine.breaches() if not line.startswith("grants")] == []


def records_of(session: Session, run: ScheduledTask) -> list[int]:
    return session.query(RunDetail.records).filter(RunDetail.run_id == run.id).scalar() or []


def test_the_audit_finds_a_promised_record_without_a_run_and_a_start_above_its_total(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 6)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=[IDEAS], credit_limit_per_execution=10
    )
    run = machine.run_now(rule)
    assert machine.breaches() == []
    run.left_out = -1
    assert [line.partition(":")[0] for line in machine.breaches()] == ["promised_records"]
    run.left_out, run.max_credits = 0, 29
    assert [line.partition(":")[0] for line in machine.breaches()] == ["start_totals"]
