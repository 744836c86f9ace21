"""Rules that follow a finished run may test that run: in Python, SQL, the sentence, the check and the back-test."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.backtest.back_test import begin_back_test
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN
from app.business.automation.services.conditions.analysis.findings import remarks_on
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.trials.dry_run import dry_run
from app.business.errors import Invalid
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.factories import make_cluster, make_keyword, make_sector, make_site

THREE = {"field": "run.failures_in_a_row", "operator": "gte", "value": 3}
IDEAS = {"type": "generate_ideas", "params": {"again": True}}


@pytest.fixture
def failing(machine: Machine, session: Session, account: Account, sector: Sector) -> AutomationRule:
    """A rule whose AI service says no."""
    cluster = make_cluster(session, sector)
    make_keyword(session, sector, cluster_id=cluster.id, status="clustered")
    session.commit()
    machine.model = FailingModel("refused")
    return machine.make_rule(
        account,
        name="Ideas",
        trigger="cluster_created",
        actions=[IDEAS],
        repeat="always",
        stop_after_failures=0,
    )


def follower(machine: Machine, account: Account, conditions: dict[str, Any], **values: Any) -> AutomationRule:
    tell = {"type": "notify", "params": {"message": "{run.rule} failed {run.failures_in_a_row} times"}}
    return machine.make_rule(
        account,
        **{"name": "Watch", "trigger": "run_finished", "actions": [tell], "conditions": conditions} | values,
    )


def fail(machine: Machine, rule: AutomationRule, times: int) -> None:
    for _ in range(times):
        machine.run_now(rule)
        machine.pass_time(minutes=1)


def test_after_three_failures_it_is_paused_and_people_are_notified(
    machine: Machine, session: Session, account: Account, failing: AutomationRule
) -> None:
    pause = {"type": "pause_rule", "params": {"rule_id": failing.id, "reason": "Three failures"}}
    tell = {"type": "notify", "params": {"message": "{run.rule} failed {run.failures_in_a_row} times"}}
    watch = follower(machine, account, {"all": [THREE]}, actions=[pause, tell])
    fail(machine, failing, 2)
    session.refresh(failing)
    assert failing.is_active
    fail(machine, failing, 1)
    session.refresh(failing)
    assert not failing.is_active
    of_watch = select(ScheduledTask.status, ScheduledTask.reason).where(
        ScheduledTask.automation_rule_id == watch.id
    )
    ends = [tuple(row) for row in session.execute(of_watch.order_by(ScheduledTask.id))]
    assert ends == [("skipped", "conditions"), ("skipped", "conditions"), ("completed", None)]
    assert "Ideas failed 3 times" in session.scalars(select(Notice.body)).all()


def test_a_manual_start_uses_the_latest_run_that_the_rule_follows(
    machine: Machine, session: Session, account: Account, failing: AutomationRule
) -> None:
    watch = follower(
        machine, account, {"field": "run.rule", "operator": "eq", "value": "Ideas"},
        trigger_options={"status": "failed"}, is_active=False,
    )  # fmt: skip
    run = machine.run_now(watch, even_if_off=True)
    assert (run.status, run.reason) == (Status.SKIPPED, "conditions")
    fail(machine, failing, 2)
    machine.run_now(machine.make_rule(account, name="Another", trigger="credits_granted", actions=[
        {"type": "notify", "params": {"message": "Well"}}
    ]))  # fmt: skip
    report = dry_run(session, watch, machine.now)
    assert report["conditions"]["actual"] == "Ideas"
    run = machine.run_now(watch, even_if_off=True)
    assert run.status == Status.COMPLETED
    assert "Ideas failed 2 times" in session.scalars(select(Notice.body)).all()


ASKED: list[dict[str, Any]] = [
    THREE,
    {"field": "run.failures_in_a_row", "operator": "between", "value": [1, 2]},
    {"field": "run.status", "operator": "in", "value": ["completed", "skipped"]},
    {"field": "run.reason", "operator": "contains", "value": "AI service"},
    {"field": "run.rule", "operator": "starts_with", "value": "Id"},
    {"field": "run.site", "operator": "is_empty"},
    {"field": "run.credits", "operator": "lt", "value": {"field": "run.records"}},
    {"field": "run.records", "operator": "gte", "value": 1},
    {"field": "run.number", "operator": "ne", "value": 1},
    {"count": "keyword", "where": {}, "operator": "eq", "value": 1},
    {"count": "keyword", "of": "account", "operator": "gt", "value": 1},
    {"field": "account.failed_runs_this_month", "operator": "gte", "value": 4},
]


def test_both_compilers_read_a_run_alike(
    machine: Machine, session: Session, account: Account, failing: AutomationRule
) -> None:
    fail(machine, failing, 4)
    machine.run_now(follower(machine, account, {}, is_active=False), even_if_off=True)
    ids = list(session.scalars(select(ScheduledTask.id)))
    frame: dict[str, Any] = {
        "scope": RuleScope(account.id, None, None), "now": machine.now, "zone": ZoneInfo("UTC"),
    }  # fmt: skip
    parted = 0
    for asked in ASKED:
        node = parse_conditions({"not": asked}, record_type=FINISHED_RUN)
        selected = set(
            session.scalars(select(ScheduledTask.id).where(matching(node, record_type=FINISHED_RUN, **frame)))
        )
        facts = load_facts(session, FINISHED_RUN, ids, conditions=[node], **frame)
        assert selected == {key for key in ids if ConditionEvaluator().evaluate(node, facts[key])}, asked
        parted += 0 < len(selected) < len(ids)
    assert parted >= 6


def test_a_rule_on_one_site_follows_no_run_of_another(
    machine: Machine, session: Session, account: Account, failing: AutomationRule, sector: Sector
) -> None:
    elsewhere = make_sector(session, make_site(session, account))
    session.commit()
    places: dict[str, dict[str, Any]] = {
        "here": {"site": sector.site_id},
        "there": {"site": elsewhere.site_id},
        "named": {"site": elsewhere.site_id, "trigger_options": {"rule_id": failing.id, "status": "failed"}},
        "anywhere": {},
    }
    failed = {"trigger_options": {"status": "failed"}}
    watching = {
        name: follower(machine, account, {}, name=name, **failed | place) for name, place in places.items()
    }
    fail(machine, failing, 1)
    started = session.scalars(
        select(ScheduledTask.rule_name).where(ScheduledTask.batch_id.is_not(None))
    ).all()
    # A run without a site is anywhere; on a site it starts rules only where its rule is named.
    assert sorted(started) == ["anywhere", "named"]
    on_site = machine.make_rule(
        account,
        name="On the site",
        trigger="cluster_created",
        actions=[IDEAS],
        repeat="always",
        site=sector.site_id,
    )
    machine.run_now(on_site)
    started = session.scalars(
        select(ScheduledTask.rule_name).where(ScheduledTask.batch_id.is_not(None))
    ).all()
    assert sorted(started) == ["anywhere", "anywhere", "here", "named"]
    by_hand = machine.run_now(watching["there"])
    assert by_hand.status == Status.COMPLETED
    assert " failed  times" in session.scalars(select(Notice.body)).all()


def test_only_a_rule_that_follows_a_run_may_ask_about_one(machine: Machine, account: Account) -> None:
    with pytest.raises(Invalid) as refused:
        follower(machine, account, {"all": [THREE]}, trigger="credits_granted", actions=[
            {"type": "notify", "params": {"message": "Hello"}}
        ])  # fmt: skip
    assert list(refused.value.errors) == ["conditions.all[0].field"]
    inside = {"field": "text", "operator": "contains", "value": {"field": "record.run.rule"}}
    counted = {"count": "keyword", "operator": "gte", "value": 1}
    assert parse_conditions(counted | {"where": inside}, record_type=FINISHED_RUN)
    for wrong in (
        counted | {"where": inside | {"ignore_case": True}},
        THREE | {"value": "3"},
        THREE | {"field": "run.cost"},
        ASKED[2] | {"value": ["pending"]},
    ):
        with pytest.raises(Invalid):
            follower(machine, account, wrong)


def test_the_rule_says_what_it_asks_and_the_check_finds_contradictions(
    machine: Machine, account: Account
) -> None:
    rule = follower(machine, account, {"all": [THREE, ASKED[2]]})
    assert (
        "if failed runs of its rule in a row is at least 3 and how the run ended is one of “completed” or “skipped”"
        in summary_of(read_definition(rule))
    )
    node = parse_conditions({"all": [THREE, THREE | {"operator": "lt"}]}, record_type=FINISHED_RUN)
    assert [remark.code for remark in remarks_on(node, FINISHED_RUN)] == ["never"]
    AutomationService().disable(machine.session, rule, Actor(None), machine.now)
    AutomationService().enable(machine.session, rule, Actor(None), machine.now, backfill=False)


def test_a_back_test_uses_each_past_run(
    machine: Machine, session: Session, account: Account, failing: AutomationRule
) -> None:
    watch = follower(machine, account, {"all": [THREE | {"value": 2}]})
    fail(machine, failing, 3)
    machine.pass_time(hours=1)
    session.commit()
    operation = begin_back_test(session, account, days=7, user_id=None, now=machine.now, rule=watch)
    session.commit()
    assert lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    session.refresh(operation)
    assert operation.state == "done", operation.error_message
    outcome = operation.result["outcomes"][0]
    assert (outcome["offered"], outcome["runs"]) == (3, 2), outcome
