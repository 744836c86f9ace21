"""A site's monthly budget limits every rule: credits count where the record is, whatever the rule's scope."""

from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import Reason, Status, Waiting
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.runs import commands, waiting
from app.business.automation.services.triggering import planning
from app.business.billing.models import CreditEntry, CreditHoldPart, SpendCounter
from app.business.planner.models import Cluster, Idea, Sector, Site
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import HOURLY, IDEAS, clusters_with_keywords
from tests.factories import make_ai_connection, make_sector, make_site

ON_CLUSTERS: dict[str, Any] = {"trigger": "cluster_created", "actions": [IDEAS]}
PLANNED: dict[str, Any] = {"trigger": "schedule", "schedule": HOURLY, "actions": [IDEAS]}


@pytest.fixture
def other(session: Session, account: Account) -> Sector:
    """A sector of a second site, without a budget."""
    return make_sector(session, make_site(session, account, name="Ridgeline"))


def limit(session: Session, sector: Sector, credits: int | None) -> None:
    session.execute(update(Site).where(Site.id == sector.site_id).values(monthly_budget=credits))
    session.commit()


def counted(session: Session, sector: Sector) -> tuple[int, int]:
    """Spent and held credits on the site's counter, over all months."""
    row = session.execute(
        select(func.sum(SpendCounter.spent), func.sum(SpendCounter.held)).where(
            SpendCounter.scope == "site", SpendCounter.scope_id == sector.site_id
        )
    ).one()
    return row[0] or 0, row[1] or 0


def charged(session: Session, sector: Sector) -> int:
    """Charged credits of the site in the ledger."""
    query = select(func.sum(-CreditEntry.amount)).where(CreditEntry.site_id == sector.site_id)
    return session.scalar(query) or 0


def with_ideas(session: Session) -> set[int]:
    return set(session.scalars(select(Idea.cluster_id).distinct()))


def next_planned_time(machine: Machine) -> None:
    machine.pass_time(hours=1)
    planning.plan(machine.transaction, machine.now)
    machine.settle()


def test_an_account_wide_rule_spends_at_most_a_sites_budget_and_goes_on_elsewhere(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    limit(session, sector, 5)
    here, there = clusters_with_keywords(session, sector, 4), clusters_with_keywords(session, other, 3)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=[*here, *there])
    assert (run.status, run.credits_used) == (Status.COMPLETED, 20)
    assert (counted(session, sector), counted(session, other)) == ((5, 0), (15, 0))
    assert (charged(session, sector), charged(session, other)) == (5, 15)
    assert with_ideas(session) == {here[0], *there}
    site = session.get_one(Site, sector.site_id)
    assert run.result["notes"] == [
        f"3 clusters of {site.name} left out: the site's monthly budget is used up. They follow when it allows."
    ]
    assert machine.breaches() == []


def test_records_left_out_wait_for_the_budget_and_follow(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    limit(session, sector, 5)
    here, there = clusters_with_keywords(session, sector, 3), clusters_with_keywords(session, other, 1)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=[*here, *there])
    (follower,) = [one for one in machine.runs() if one.follows_id == run.id]
    assert (follower.status, follower.waiting_for) == (Status.PENDING, Waiting.BUDGET)
    assert (
        "monthly budget of 5 credits is used up for November 2026: 10 more are needed."
        in follower.error_message
    )
    limit(session, sector, 15)
    waiting.wake_for_budget(session, account.id, sector.site_id)
    machine.settle()
    assert with_ideas(session) == {*here, *there}
    assert charged(session, sector) == 15


def test_a_new_month_continues_with_what_it_pays_for(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    limit(session, sector, 5)
    ids = clusters_with_keywords(session, sector, 2)
    machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=ids)
    machine.pass_time(days=7)
    machine.settle()
    assert with_ideas(session) == set(ids)
    months = select(SpendCounter.period, SpendCounter.spent).where(SpendCounter.scope == "site")
    assert sorted(map(tuple, session.execute(months))) == [("2026-11", 5), ("2026-12", 5)]


def test_records_of_a_used_up_site_take_no_places_of_a_planned_run(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    limit(session, sector, 4)
    clusters_with_keywords(session, sector, 3)
    there = clusters_with_keywords(session, other, 4)
    machine.make_rule(account, **PLANNED, record_limit=2)
    next_planned_time(machine)
    (run,) = machine.runs(Status.COMPLETED)
    assert (run.credits_used, with_ideas(session)) == (10, {there[0], there[1]})
    assert any("3 clusters left out of sites" in note for note in run.result["notes"])
    assert machine.breaches() == []


def test_a_planned_run_leaves_them_to_the_next_planned_time(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    limit(session, sector, 5)
    here, there = clusters_with_keywords(session, sector, 2), clusters_with_keywords(session, other, 1)
    machine.make_rule(account, **PLANNED)
    next_planned_time(machine)
    (first,) = machine.runs(Status.COMPLETED)
    assert "They wait for the next planned time." in first.result["notes"][0]
    assert with_ideas(session) == {here[0], *there}
    limit(session, sector, 10)
    next_planned_time(machine)
    assert with_ideas(session) == {*here, *there}


def test_only_used_up_sites_stop_the_run(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    limit(session, sector, 4)
    clusters_with_keywords(session, sector, 2)
    run = machine.run_now(machine.make_rule(account, **PLANNED))
    assert (run.status, run.reason, run.credits_used) == (Status.SKIPPED, Reason.BUDGET, 0)
    assert counted(session, sector) == (0, 0)


def test_a_later_step_counts_and_stops_by_site_too(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    make_ai_connection(session, account)
    limit(session, sector, 7)
    write = [IDEAS, {"type": "create_tasks", "params": {"word_count": 300}}, {"type": "generate_content"}]
    here, there = clusters_with_keywords(session, sector, 1), clusters_with_keywords(session, other, 1)
    rule = machine.make_rule(account, trigger="cluster_created", actions=write)
    run = machine.run_now(rule, record_ids=[*here, *there])
    assert counted(session, sector)[0] == 5
    assert (charged(session, sector), charged(session, other)) == (
        counted(session, sector)[0], counted(session, other)[0],
    )  # fmt: skip
    assert any("left out: the site's monthly budget" in note for note in run.result["notes"])
    (follower,) = machine.runs(Status.PENDING)
    assert (follower.from_step, follower.waiting_for) == (2, Waiting.BUDGET)
    limit(session, sector, 100)
    waiting.wake_for_budget(session, account.id, sector.site_id)
    machine.settle()
    assert not machine.runs(Status.PENDING)
    assert machine.breaches() == []


def test_a_record_that_moves_meanwhile_is_paid_where_it_was_set_aside(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    limit(session, other, 0)
    (cluster,) = clusters_with_keywords(session, sector, 1)
    do_unit = ActionExecutor._do_unit

    def move_first(*args: Any) -> Any:
        where = {"site_id": other.site_id, "sector_id": other.id}
        session.execute(update(Cluster).where(Cluster.id == cluster).values(**where))
        return do_unit(*args)

    monkeypatch.setattr(ActionExecutor, "_do_unit", move_first)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=[cluster])
    assert (run.status, run.credits_used) == (Status.COMPLETED, 5)
    assert (counted(session, sector), counted(session, other)) == ((5, 0), (0, 0))
    assert charged(session, sector) == 5
    assert machine.breaches() == []


def test_a_retry_holds_by_site_and_leaves_out_what_a_budget_no_longer_pays_for(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    here, there = clusters_with_keywords(session, sector, 1), clusters_with_keywords(session, other, 1)
    machine.model = FailingModel("refused", times=2)
    run = machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=[*here, *there])
    assert (run.status, run.credits_used) == (Status.FAILED, 0)
    limit(session, sector, 4)
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.credits_used, with_ideas(session)) == (Status.COMPLETED, 5, set(there))
    (follower,) = [one for one in machine.runs(Status.PENDING) if one.follows_id == run.id]
    assert follower.waiting_for == Waiting.BUDGET
    assert counted(session, sector) == (0, 0)
    assert machine.breaches() == []


def test_the_audit_finds_a_charge_that_no_site_counts(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ids = clusters_with_keywords(session, sector, 1)
    machine.run_now(machine.make_rule(account, **ON_CLUSTERS), record_ids=ids)
    session.execute(update(SpendCounter).where(SpendCounter.scope == "site").values(spent=0))
    session.execute(update(CreditHoldPart).where(CreditHoldPart.scope == "rule").values(posted=0))
    found = {breach.split(":")[0] for breach in machine.breaches()}
    assert found == {"counters", "hold_parts", "charged_parts"}
