"""A record is handled when all work on it is done: a later run does what an earlier one left, and nothing twice."""

from typing import Any

import pytest
from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import RuleRecord
from app.business.automation.run_models import Cause, Reason, Status
from app.business.automation.services.auditing import invariants
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.rules.set_aside import free_set_aside
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.result import steps_json
from app.business.automation.services.why.explanation import why
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Cluster, Idea, Sector
from app.business.writer.models import Content, Task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, LABEL, clusters_with_keywords, import_texts
from tests.business.automation.runs.article_rules import ARTICLES, TASKS, WRITE, planned, state_of
from tests.factories import make_ai_connection, make_sector, make_site, make_task

NOTIFY = {"type": "notify", "params": {"message": "Done"}}


@pytest.fixture(autouse=True)
def connection(session: Session, account: Account) -> None:
    """Its articles cost their words."""
    make_ai_connection(session, account)


def states(session: Session) -> list[tuple[int, str]]:
    query = select(RuleRecord.record_id, RuleRecord.state).order_by(RuleRecord.record_id)
    return [(record_id, state) for record_id, state in session.execute(query)]


def test_a_record_whose_second_action_failed_is_tried_again_without_the_first(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    good, bad = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", only=f"-{bad}")
    rule = planned(machine, account, [LABEL, IDEAS])
    first = machine.run_now(rule)
    assert states(session) == [(good, "handled"), (bad, "free")]
    session.get_one(Cluster, bad).labels = []
    machine.model = FailingModel()
    second = machine.run_now(rule)
    assert (second.status, second.record_count, second.credits_used) == (Status.COMPLETED, 1, 5)
    assert session.get_one(Cluster, bad).labels == []  # not set twice
    assert states(session) == [(good, "handled"), (bad, "handled")]
    label, ideas = steps_json(session, second, stored_actions(rule.actions))
    assert (label["done_before"], label["records"], label["credits"]) == (
        [{"run": first.id, "records": 1}],
        0,
        0,
    )
    assert (ideas["done_before"], ideas["records"]) == ([], 1)
    assert machine.run_now(rule).reason == Reason.CONDITIONS
    assert machine.breaches() == []


def test_paid_work_is_not_bought_again_and_is_continued(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    conditions = {"field": "status", "operator": "eq", "value": "new"}
    rule = planned(machine, account, ARTICLES, conditions=conditions)
    machine.model = FailingModel("refused", only=f"-{cluster + 1}")  # the second article
    first = machine.run_now(rule)
    assert (first.status, states(session)) == (Status.FAILED, [(cluster, "free")])
    machine.model = FailingModel()
    machine.pass_time(minutes=7)
    machine.settle()
    second = next(run for run in machine.runs() if run.cause == Cause.SCHEDULE)
    assert (second.status, second.credits_used) == (Status.COMPLETED, 3 * len(machine.model.asked))
    assert len(session.scalars(select(Idea)).all()) == len(session.scalars(select(Task)).all()) == 3
    assert len(session.scalars(select(Content)).all()) == 3
    assert first.credits_used + second.credits_used == 5 + 3 * 3
    assert machine.breaches() == []


def test_keywords_grouped_by_a_failed_run_get_their_ideas_from_a_later_one(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    import_texts(
        session, sector, ["trail running shoes", "best trail running shoes", "trail running shoes men"]
    )
    rule = planned(machine, account, [{"type": "cluster_keywords"}, IDEAS], record_type="keyword")
    machine.model = FailingModel("refused")
    first = machine.run_now(rule)
    assert (first.status, first.credits_used) == (Status.FAILED, 1)
    import_texts(session, sector, ["winter garden", "winter garden ideas", "winter garden plants"])
    machine.model = FailingModel()
    second = machine.run_now(rule)
    clusters = session.scalars(select(Cluster)).all()
    assert (second.status, second.record_count) == (Status.COMPLETED, 6)
    assert len(session.scalars(select(Idea.cluster_id).distinct()).all()) == len(clusters) == 2
    assert second.credits_used == 1 + 10
    assert machine.breaches() == []


def test_a_retry_does_not_take_what_a_later_run_took(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, [LABEL, IDEAS], record_limit=1)
    machine.model = FailingModel("refused")
    first = machine.run_now(rule)
    machine.model = FailingModel()
    assert machine.run_now(rule).status == Status.COMPLETED
    commands.retry(session, first, machine.now)
    machine.settle()
    session.refresh(first)
    assert (first.status, first.credits_used) == (Status.COMPLETED, 0)
    assert first.result["left_out"] == 1
    assert len(machine.model.asked) == 1
    assert machine.breaches() == []


def test_a_retry_handles_the_record_for_later_runs_too(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, [LABEL, IDEAS])
    machine.model = FailingModel("refused")
    first = machine.run_now(rule)
    for _ in range(3):
        commands.retry(session, first, machine.now)
        machine.settle()
    assert states(session) == [(cluster, "free")]  # one failed run, however often it is retried
    machine.model = FailingModel()
    commands.retry(session, first, machine.now)
    machine.settle()
    assert states(session) == [(cluster, "handled")]
    assert machine.run_now(rule).reason == Reason.CONDITIONS
    assert machine.breaches() == []


def test_a_record_is_set_aside_after_three_failed_runs_and_given_back_goes_on(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, [LABEL, IDEAS])
    machine.model = FailingModel("refused")
    runs = [machine.run_now(rule) for _ in range(3)]
    assert states(session) == [(cluster, "set_aside")]
    assert machine.run_now(rule).reason == Reason.CONDITIONS
    free_set_aside(session, rule, machine.now)
    machine.model = FailingModel()
    last = machine.run_now(rule)
    assert last.status == Status.COMPLETED
    receipts = select(ActionRun.done_by_run_id).where(ActionRun.run_id == last.id).order_by(ActionRun.id)
    assert session.scalars(receipts).all() == [runs[0].id, None]


def test_a_notice_is_sent_once_for_a_record_and_again_for_others(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, [NOTIFY, IDEAS])
    machine.model = FailingModel("refused")
    machine.run_now(rule)
    second = machine.run_now(rule)
    assert steps_json(session, second, stored_actions(rule.actions))[0]["records"] == 0
    clusters_with_keywords(session, make_sector(session, make_site(session, account)), 1)
    machine.model = FailingModel()
    third = machine.run_now(rule)
    assert (third.status, third.record_count) == (Status.COMPLETED, 2)
    assert steps_json(session, third, stored_actions(rule.actions))[0]["records"] == 1
    assert machine.breaches() == []


@pytest.mark.parametrize(
    ("changed", "labels"),
    [(LABEL, []), ({"type": "update_records", "params": {"labels_add": ["other"]}}, ["other"])],
)
def test_an_action_that_was_changed_since_is_repeated_where_that_costs_nothing(
    machine: Machine,
    session: Session,
    account: Account,
    sector: Sector,
    changed: dict[str, Any],
    labels: list[str],
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, [LABEL, IDEAS, TASKS, WRITE])
    machine.model = FailingModel("refused", only=f"-{cluster + 1}")
    machine.run_now(rule)
    session.get_one(Cluster, cluster).labels = []
    more = {"type": "generate_ideas", "params": {"ideas_per_cluster": 7}}
    data = definition_of(rule) | {"actions": [changed, more, TASKS, WRITE]}
    AutomationService().update_rule(session, rule, data, Actor(None), machine.now)
    machine.model = FailingModel()
    assert machine.run_now(rule).status == Status.COMPLETED
    assert session.get_one(Cluster, cluster).labels == labels
    assert len(session.scalars(select(Content)).all()) == len(session.scalars(select(Idea)).all()) == 3
    assert machine.breaches() == []


def test_a_record_that_a_step_began_is_finished_although_its_condition_changed(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    tasks = [make_task(session, sector, status=status, word_count=300) for status in ("queued", "draft")]
    when = {"field": "status", "operator": "eq", "value": "queued"}
    rule = planned(machine, account, [LABEL, WRITE | {"when": when}], record_type="task")
    machine.model = FailingModel("refused")
    first = machine.run_now(rule)
    assert states(session) == [(tasks[0].id, "free"), (tasks[1].id, "handled")]
    assert first.error_message.startswith("Write the content: ")
    machine.model = FailingModel()
    second = machine.run_now(rule)  # the task is “failed” now, not “queued”
    assert (second.status, second.credits_used) == (Status.COMPLETED, 3)
    assert machine.breaches() == []


def test_why_says_that_a_later_run_continues_the_record(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    conditions = {"field": "status", "operator": "eq", "value": "new"}
    rule = planned(machine, account, ARTICLES, conditions=conditions)
    machine.model = FailingModel("refused", only=f"-{cluster + 1}")
    run = machine.run_now(rule)
    checks = why(session, rule, session.get_one(Cluster, cluster), machine.now).checks
    assert [check["result"] for check in checks] == ["pass"] * 6
    assert checks[3]["message"] == f"Run {run.id} has begun it; the next run goes on where that one stopped."


@pytest.mark.parametrize(
    ("name", "breach"),
    [
        ("handled", update(RuleRecord).values(state="handled")),
        ("taken_over", update(ActionRun).where(ActionRun.done_by_run_id.is_not(None)).values(credits=5)),
    ],
)
def test_the_audit_finds_what_is_called_handled_and_what_is_charged_twice(
    machine: Machine, session: Session, account: Account, sector: Sector, name: str, breach: Update
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = planned(machine, account, ARTICLES)
    machine.model = FailingModel("refused", only=f"-{cluster + 1}")
    for _ in range(2):
        assert machine.run_now(rule).status == Status.FAILED
    assert machine.breaches() == []
    session.execute(breach)
    session.commit()
    assert name in {breach.name for breach in invariants.audit(session, machine.now)}


def test_a_rule_that_asks_for_more_records_still_finishes_what_it_began(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    _, bad = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", only=f"-{bad}")
    rule = planned(machine, account, [LABEL, IDEAS], record_minimum=2)
    machine.run_now(rule)
    machine.model = FailingModel()
    second = machine.run_now(rule)
    assert (second.status, second.record_count) == (Status.COMPLETED, 1)


def test_a_record_that_was_begun_is_not_said_to_match_no_more(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    conditions = {"field": "status", "operator": "eq", "value": "new"}
    rule = planned(machine, account, ARTICLES, conditions=conditions)
    machine.model = FailingModel("refused", only=f"-{cluster + 1}")
    for _ in range(3):
        machine.run_now(rule)
    assert state_of(session, cluster) == "set_aside"
    assert machine.run_now(rule).error_message == (
        "1 cluster matches, but this rule takes none of them: 1 was set aside after three failed runs."
    )
