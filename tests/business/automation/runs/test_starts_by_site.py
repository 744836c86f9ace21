"""A start of a rule that is split by site opens a run for each site; what bounds a start bounds them together."""

import random
from collections import defaultdict
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService, Request
from app.business.automation.services.preflight.start_price import start_price
from app.business.automation.services.triggering import rule_switch
from app.business.billing.models import CreditEntry
from app.business.events import EventType, Origin, open_batch, record_events
from app.business.planner.models import Cluster, SiteStatus
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords
from tests.business.automation.runs.test_promised_records import come_to_rest
from tests.factories import make_account, make_sector, make_site
from tests.sampling import times

SEEDS = range(times(full=200, sample=2))
NOTIFY = {"type": "notify", "params": {"message": "Hi"}}


def split(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    defaults = {"trigger": "cluster_created", "actions": [IDEAS], "split_by": "site", "when_limited": "wait"}
    return machine.make_rule(account, **defaults | values)


def sites_with(machine: Machine, account: Account, *counts: int) -> list[list[int]]:
    """Clusters of as many sites."""
    session = machine.session
    return [
        clusters_with_keywords(session, make_sector(session, make_site(session, account)), count)
        for count in counts
    ]


def records_of(session: Session, run: ScheduledTask) -> list[int]:
    return session.scalar(select(RunDetail.records).where(RunDetail.run_id == run.id)) or []


def spent(session: Session) -> int:
    charged = select(func.coalesce(-func.sum(CreditEntry.amount), 0)).where(CreditEntry.kind == "charge")
    return session.scalar(charged) or 0


def send_events(machine: Machine, rule: AutomationRule, ids: list[int]) -> None:
    batch = open_batch(machine.session, EventType(rule.trigger), Origin(rule.account_id), machine.now)
    clusters = machine.session.scalars(select(Cluster).where(Cluster.id.in_(ids)))
    rows = [
        {"record_id": row.id, "site_id": row.site_id, "sector_id": row.sector_id, "data": {}}
        for row in clusters
    ]
    record_events(machine.session, batch, "cluster", rows)
    batch.closed_at = machine.now


def open_it(machine: Machine, rule: AutomationRule, how: str, ids: list[int], total: int | None) -> None:
    service, actor, session = AutomationService(), Actor(None), machine.session
    if how == "backfill":
        service.enable(session, rule, actor, machine.now, backfill=True, max_credits=total)
    elif how == "meanwhile":
        machine.pass_time(minutes=1)
        rule_switch.switch(session, rule, False, machine.now)
        rule.stopped_at = machine.now
        send_events(machine, rule, ids)
        machine.look()
        machine.pass_time(minutes=1)
        service.enable(session, rule, actor, machine.now, backfill=True, max_credits=total)
    else:
        picked = ids if how == "picked" else None
        service.execute(session, rule, actor, machine.now, record_ids=picked, max_credits=total)
    session.commit()


@pytest.mark.parametrize("seed", SEEDS)
def test_each_site_has_runs_of_its_own_within_one_total(
    machine: Machine, session: Session, seed: int
) -> None:
    chance = random.Random(seed)
    account = make_account(session, credits=100_000)
    groups = sites_with(machine, account, *(chance.randint(1, 9) for _ in range(chance.randint(2, 4))))
    ids = chance.sample([key for group in groups for key in group], sum(map(len, groups)))
    values: dict[str, Any] = {
        "record_limit": chance.choice([1, 3, 50]),
        "credit_limit_per_execution": chance.choice([5, 12, 100]),
        "max_executions_per_day": chance.choice([1, 2, 1000]),
    }
    how = ["manual", "picked", "backfill", "meanwhile"][seed % 4]
    if how == "manual" and chance.random() < 0.5:
        values |= {"trigger": "schedule", "record_type": "cluster", "schedule": {"cron": "0 3 1 1 *"}}
    rule = split(machine, account, **values)
    price = start_price(session, rule, machine.now, record_ids=ids if how == "picked" else None)
    total = chance.choice([None, None, chance.randrange(5 * len(ids))])
    open_it(machine, rule, how, ids, total)
    come_to_rest(machine)
    runs = machine.runs()
    sites = dict(session.execute(select(Cluster.id, Cluster.site_id)).all())
    by_site: dict[int, list[int]] = defaultdict(list)
    for run in runs:
        taken = records_of(session, run) if run.admitted_at else []
        assert {sites[key] for key in taken} <= {run.split_site_id}
        assert (run.site_id, run.scheduled_at >= runs[0].scheduled_at) == (run.split_site_id, True)
        by_site[run.split_site_id] += taken
    heads = [run for run in runs if run.follows_id is None]
    assert [run.split_site_id for run in heads] == sorted({sites[key] for key in ids})
    assert [run.start_id for run in heads] == [None, *[heads[0].id] * (len(heads) - 1)]
    done = [key for taken in by_site.values() for key in taken]
    assert len(done) == len(set(done))
    assert len(done) + sum(run.remaining for run in runs) == len(ids)
    assert spent(session) == 5 * len(done) <= (price.credits_max if total is None else total)
    if total is None:
        assert (spent(session), len(runs)) == (price.credits_max, price.runs)
        days = {run.counted_day for run in runs}
        assert len(days) == price.days
    assert [line for line in machine.breaches() if not line.startswith("grants")] == []


def test_without_records_each_active_site_has_a_run(
    machine: Machine, session: Session, account: Account
) -> None:
    sites = [make_site(session, account) for _ in range(3)]
    sites[1].status = SiteStatus.PAUSED
    rule = split(machine, account, trigger="credits_granted", actions=[NOTIFY])
    machine.run_now(rule)
    runs = machine.runs()
    assert [(run.split_site_id, run.status) for run in runs] == [
        (site.id, Status.COMPLETED) for site in (sites[0], sites[2])
    ]


def test_a_rule_of_one_site_takes_nothing_of_another(
    machine: Machine, session: Session, account: Account
) -> None:
    mine, others = sites_with(machine, account, 2, 3)
    site_id = session.get_one(Cluster, mine[0]).site_id
    rule = split(machine, account, site=site_id)
    machine.run_now(rule, record_ids=[*others, *mine])
    (run,) = machine.runs()
    assert (run.split_site_id, run.left_out, run.record_count) == (site_id, 3, 2)


def test_a_repeated_request_and_a_failure_count_once_for_all_sites(
    machine: Machine, session: Session, account: Account
) -> None:
    sites_with(machine, account, 1, 1, 1)
    rule = split(machine, account, actions=[{"type": "generate_ideas"}], stop_after_failures=2)
    machine.model = FailingModel("refused")
    service, key = AutomationService(), Request("k", "f")
    runs = [service.execute(session, rule, Actor(None), machine.now, request=key) for _ in range(2)]
    assert runs[0].id == runs[1].id
    machine.settle()
    assert [run.status for run in machine.runs()] == [Status.FAILED] * 3
    session.refresh(rule)
    assert (rule.failures_in_a_row, rule.is_active) == (1, True)
