"""Mistakes of a naive rule engine, one promise after the other."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import Cause, Reason, Status
from app.business.automation.services.automation_service import Actor, AutomationService, Request
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs import commands
from app.business.automation.services.triggering import planning
from app.business.errors import Conflict, Invalid, NotFound
from app.business.events import Origin
from app.business.planner.models import Idea, Keyword, Sector
from app.business.planner.services.idea_service import create_idea
from app.business.writer.models import Content
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import HOURLY, IDEAS, LABEL, clusters_with_keywords, import_texts
from tests.factories import NOW, make_account, make_cluster, make_keyword, make_sector, make_site


def test_a_scheduled_run_knows_its_account_scope_and_records(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    keyword = make_keyword(session, sector, volume=900)
    make_keyword(session, make_sector(session, make_site(session, make_account(session))), volume=900)
    conditions = {"field": "volume", "operator": "gte", "value": 500}
    machine.make_rule(
        account,
        trigger="schedule",
        schedule=HOURLY,
        record_type="keyword",
        conditions=conditions,
        actions=[LABEL],
    )
    machine.pass_time(minutes=7)
    machine.settle()
    (run,) = machine.runs(Status.COMPLETED)
    assert run.cause == Cause.SCHEDULE
    assert session.get_one(Keyword, keyword.id).labels == ["seen"]
    assert session.scalars(select(Keyword.id).where(Keyword.labels != [])).all() == [keyword.id]


def test_credits_are_taken_for_what_was_done(
    machine: Machine, session: Session, sector: Sector, account: Account
) -> None:
    clusters_with_keywords(session, sector, 2)
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    run = machine.run_now(rule)
    assert (run.status, run.credits_used) == (Status.COMPLETED, 10)
    assert account.credits_balance == 990
    assert account.credits_held == 0
    assert machine.breaches() == []


def test_a_run_cheaper_than_its_limit_needs_only_its_price(machine: Machine, session: Session) -> None:
    account = make_account(session, credits=7)
    sector = make_sector(session, make_site(session, account))
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    assert machine.run_now(rule).status == Status.COMPLETED


def test_the_credit_limit_of_a_run_is_never_exceeded(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 4)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=[IDEAS], credit_limit_per_execution=10
    )
    first = machine.run_now(rule)
    assert first.credits_used == 10
    assert "2 of 4 clusters" in first.result["notes"][0]
    _, follow_up = machine.runs()
    assert (follow_up.follows_id, follow_up.credits_used) == (first.id, 10)
    assert machine.breaches() == []


def test_history_outlives_the_rule(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(
        account, trigger="schedule", schedule=HOURLY, record_type="keyword", actions=[LABEL]
    )
    run = machine.run_now(rule)
    AutomationService().archive(session, rule, Actor(None), machine.now)
    session.commit()
    session.refresh(run)
    assert (run.rule_name, run.status) == ("A rule", Status.COMPLETED)


@pytest.mark.parametrize("minute", [7, 15, 38, 59])
def test_a_rule_due_between_two_ticks_runs_at_its_minute(
    machine: Machine, account: Account, sector: Sector, session: Session, minute: int
) -> None:
    machine.make_rule(
        account,
        trigger="schedule",
        schedule={"cron": f"{minute} * * * *", "timezone": "UTC"},
        record_type=None,
        actions=[{"type": "notify", "params": {"message": "Hi"}}],
    )
    for _ in range(8):
        planning.plan(machine.transaction, machine.now)
        machine.pass_time(minutes=15)
    machine.settle()
    starts = [run.scheduled_at for run in machine.runs()]
    assert starts == [NOW.replace(minute=minute), NOW.replace(hour=10, minute=minute)]


def test_each_step_of_the_pipeline_starts_the_next_rule(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    triggers = ["cluster_created", "idea_created", "task_created", "content_generated"]
    actions = [
        IDEAS,
        {"type": "create_tasks", "params": {"word_count": 300}},
        {"type": "generate_content"},
        LABEL,
    ]
    machine.make_rule(
        account, name="cluster", trigger="keyword_added", actions=[{"type": "cluster_keywords"}]
    )
    for trigger, action in zip(triggers, actions, strict=True):
        machine.make_rule(
            account, name=trigger, trigger=trigger, actions=[action], max_executions_per_day=100
        )
    import_texts(
        session, sector, ["trail running shoes", "best trail running shoes", "trail running shoes women"]
    )
    machine.settle()
    assert {run.rule_name for run in machine.runs(Status.COMPLETED)} == {"cluster", *triggers}
    articles = session.scalars(select(Content)).all()
    assert articles
    assert all(article.labels == ["seen"] and article.outline for article in articles)
    assert machine.breaches() == []


def test_an_unknown_action_is_refused_and_never_a_success(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    with pytest.raises(Invalid, match="there is no action “publish_everything”"):
        machine.make_rule(account, actions=[LABEL, {"type": "publish_everything"}])


def test_a_rule_that_cannot_be_read_fails_and_does_nothing(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(
        account, trigger="schedule", schedule=HOURLY, record_type="keyword", actions=[LABEL]
    )
    _write_version(session, rule, {"conditions": {"field": "gone", "operator": "eq", "value": 1}})
    run = machine.run_now(rule)
    assert (run.status, run.reason) == (Status.FAILED, Reason.RULE_INVALID)
    assert session.scalars(select(Keyword.labels)).all() == [[]]


def _write_version(session: Session, rule: AutomationRule, changes: dict[str, Any]) -> None:
    """A version as an older release could have left it."""
    rule.version += 1
    definition = definition_of(rule) | changes
    session.add(
        RuleVersion(
            account_id=rule.account_id,
            rule_id=rule.id,
            version=rule.version,
            definition=definition,
            created_at=NOW,
        )
    )
    session.commit()


def test_one_bad_rule_stops_no_other(machine: Machine, session: Session, account: Account) -> None:
    notify = {"type": "notify", "params": {"message": "Hi"}}
    bad, good = (
        machine.make_rule(account, trigger="schedule", schedule=HOURLY, record_type=None, actions=[notify])
        for _ in range(2)
    )
    session.execute(
        update(AutomationRule).where(AutomationRule.id == bad.id).values(schedule={"cron": "broken"})
    )
    session.commit()
    machine.pass_time(hours=3)
    planned = planning.plan(machine.transaction, machine.now)
    assert [rule_id for rule_id, _ in planned.failed] == [bad.id]
    machine.settle()
    assert {run.automation_rule_id for run in machine.runs(Status.COMPLETED)} >= {good.id}


def test_the_daily_limit_counts_failures_and_holds_for_the_local_day(
    machine: Machine, session: Session, sector: Sector, account: Account
) -> None:
    account.timezone = "Pacific/Auckland"
    clusters_with_keywords(session, sector, 5)
    machine.model = FailingModel("refused")
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS], max_executions_per_day=2)
    runs = [machine.run_now(rule) for _ in range(3)]
    assert [run.status for run in runs] == [Status.FAILED, Status.FAILED, Status.SKIPPED]
    assert runs[2].reason == Reason.DAILY_LIMIT
    machine.pass_time(hours=3)  # midnight in Auckland, not in UTC
    assert machine.run_now(rule).status == Status.FAILED
    assert machine.breaches() == []


def test_a_run_that_ends_does_not_touch_the_rule(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(
        account, trigger="schedule", schedule=HOURLY, record_type="keyword", actions=[LABEL]
    )
    before = (rule.version, rule.updated_at)
    machine.run_now(rule)
    session.refresh(rule)
    assert (rule.version, rule.updated_at) == before


def test_ids_of_another_account_read_as_not_found(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    theirs = make_sector(session, make_site(session, make_account(session)))
    foreign = make_cluster(session, theirs)
    action = {"type": "generate_ideas", "params": {"cluster_ids": [foreign.id]}}
    with pytest.raises(Invalid, match=f"cluster {foreign.id} was not found"):
        machine.make_rule(account, trigger="schedule", schedule=HOURLY, record_type=None, actions=[action])
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    with pytest.raises(NotFound):
        AutomationService().execute(session, rule, Actor(None), machine.now, record_ids=[foreign.id])


def test_an_id_of_another_account_in_a_rule_is_not_worked_on(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    theirs = make_sector(session, make_site(session, make_account(session)))
    foreign, own = clusters_with_keywords(session, theirs, 1), clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(
        account, trigger="schedule", schedule=HOURLY, record_type=None, actions=[_ideas_for(own)]
    )
    _write_version(session, rule, {"actions": [_ideas_for(foreign)]})
    machine.run_now(rule)
    assert session.scalars(select(Idea)).all() == []


def _ideas_for(cluster_ids: list[int]) -> dict[str, Any]:
    params = {"cluster_ids": cluster_ids, "ideas_per_cluster": 3, "again": False}
    return {"type": "generate_ideas", "params": params}


def test_a_rule_that_starts_itself_is_stopped_and_says_so(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    create = {"type": "create_record", "params": {"type": "idea", "title": "More on {title}"}}
    machine.make_rule(account, trigger="idea_created", actions=[create], max_executions_per_day=100)
    create_idea(session, sector, {"title": "First"}, origin=Origin(account.id), now=NOW)
    machine.settle()
    first, second = machine.runs()
    assert (first.status, second.status, second.reason) == (Status.COMPLETED, Status.SKIPPED, Reason.LOOP)
    assert "This rule led to itself (“A rule” → “A rule”)." in second.error_message


def test_a_click_only_opens_a_run_and_a_second_click_is_the_same_run(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    service, request = AutomationService(), Request("click-1", "same body")
    first = service.execute(session, rule, Actor(None), machine.now, request=request)
    second = service.execute(session, rule, Actor(None), machine.now, request=request)
    assert first.id == second.id
    assert first.status == Status.PENDING
    assert session.scalars(select(Idea)).all() == []
    with pytest.raises(Invalid):
        service.execute(session, rule, Actor(None), machine.now, request=Request("click-1", "other body"))


def test_a_retry_does_only_what_is_unfinished(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    _, second = clusters_with_keywords(session, sector, 2)
    machine.model = FailingModel("refused", only=f"-{second}")
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    run = machine.run_now(rule)
    assert (run.status, run.credits_used) == (Status.FAILED, 5)
    assert run.error_message.startswith("1 of 2 clusters given ideas; 1 failed")
    machine.model = FailingModel()
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.attempt, run.credits_used) == (Status.COMPLETED, 2, 10)
    assert machine.model.asked == [f"r{run.id}-s0-{second}"]
    assert machine.breaches() == []
    with pytest.raises(Conflict, match="Only failed runs"):
        commands.retry(session, run, machine.now)
