"""One log line for each run that has ended: after the commit, and never for what was rolled back."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.runs import closing, commands
from app.business.automation.services.runs.context import load_context
from app.business.automation.services.runs.gate_verdict import Stop
from app.business.automation.services.runs.missed_times import missed_runs
from app.business.automation.services.runs.opening import Opening, Skip, open_run, skip_instead
from app.business.automation.services.runs.planned_runs import open_planned
from app.infrastructure.logs import in_json
from tests.business.automation.run_rows import make_rule
from tests.factories import NOW, make_account, make_sector, make_site

LATER = NOW + timedelta(milliseconds=1500)
SECRET = "what-somebody-typed"


@pytest.fixture
def account(session: Session) -> Account:
    account = make_account(session)
    make_sector(session, make_site(session, account))
    return account


@pytest.fixture
def rule(session: Session, account: Account) -> AutomationRule:
    rule = make_rule(session, account, name=SECRET)
    session.commit()
    return rule


def opened(session: Session, rule: AutomationRule, *, begun: bool = True) -> ScheduledTask:
    run = open_run(session, rule, Opening(Cause.MANUAL, NOW))
    if begun:
        run.status, run.started_at, run.attempt = Status.RUNNING, NOW, 1
    session.commit()
    return run


def ended(session: Session, run: ScheduledTask, status: Status, reason: Reason | None) -> None:
    closing._end(session, load_context(session, run, LATER), status, reason, SECRET)


def missed(session: Session, rule: AutomationRule) -> None:
    open_planned(session, missed_runs(rule, [NOW, LATER], SECRET, site_id=0, version=1), LATER)


def cancelled(session: Session, rule: AutomationRule) -> None:
    commands.cancel(session, opened(session, rule, begun=False), LATER)


def given_up(session: Session, rule: AutomationRule) -> None:
    context = load_context(session, opened(session, rule), LATER)
    closing.give_up(session, context, Stop(Reason.WORKER_LOST, SECRET))


def left(session: Session, rule: AutomationRule) -> None:
    run = opened(session, rule, begun=False)
    skip_instead(session, run, Skip(Reason.CONDITIONS, SECRET), LATER)


WAYS: list[Any] = [
    (cancelled, ["skipped/cancelled"]),
    (given_up, ["failed/worker_lost"]),
    (missed, ["skipped/missed", "skipped/missed"]),
    (left, ["skipped/conditions"]),
]
WAYS += [
    (
        lambda session, rule, status=status, reason=reason: ended(
            session, opened(session, rule), status, reason
        ),
        [f"{status}/{reason}"],
    )
    for status, reason in (
        (Status.COMPLETED, None),
        *((Status.FAILED, reason) for reason in Reason),
        *((Status.SKIPPED, reason) for reason in Reason),
    )
]


@pytest.mark.parametrize(("way", "said"), WAYS)
def test_every_way_to_end_is_one_line(
    session: Session, rule: AutomationRule, way: Callable[..., None], said: list[str]
) -> None:
    with capture_logs() as lines:
        way(session, rule)
        assert lines == []
        session.commit()
        session.commit()
    assert [f"{end['status']}/{end['reason']}" for end in ends_in(lines)] == said
    assert {line["log_level"] for line in lines} == {"info"}
    assert SECRET not in str(lines)


def ends_in(lines: list[Any]) -> list[Any]:
    return [end for line in lines for end in line["each"]]


def test_a_line_names_run_rule_account_credits_and_duration(session: Session, rule: AutomationRule) -> None:
    run = opened(session, rule)
    with capture_logs() as lines:
        ended(session, run, Status.COMPLETED, None)
        session.commit()
    said = {
        "run": run.id,
        "rule": rule.id,
        "account": rule.account_id,
        "status": "completed",
        "reason": None,
        "credits": 0,
        "milliseconds": 1500,
    }
    assert lines == [{"event": "run_ended", "log_level": "info", "each": [said]}]
    written = in_json(None, "info", {"event": "run_ended", "each": [said, said]}).splitlines()
    assert [json.loads(line) for line in written] == [said | {"event": "run_ended"}] * 2


def test_a_rolled_back_end_leaves_no_line(session: Session, rule: AutomationRule) -> None:
    one, two, three = (opened(session, rule) for _ in range(3))
    with capture_logs() as lines:
        ended(session, one, Status.COMPLETED, None)
        session.rollback()
        ended(session, two, Status.COMPLETED, None)
        undone = session.begin_nested()
        with session.begin_nested():
            ended(session, session.get_one(ScheduledTask, three.id), Status.COMPLETED, None)
        undone.rollback()
        with session.begin_nested():
            ended(session, session.get_one(ScheduledTask, one.id), Status.FAILED, Reason.BUDGET)
        session.commit()
    assert [(end["run"], end["status"]) for end in ends_in(lines)] == [
        (two.id, "completed"),
        (one.id, "failed"),
    ]


def test_the_line_costs_no_statement(session: Session, rule: AutomationRule) -> None:
    run = opened(session, rule)
    sent: list[str] = []

    def note(*arguments: Any) -> None:
        sent.append(arguments[2])

    ended(session, run, Status.COMPLETED, None)
    event.listen(session.get_bind(), "before_cursor_execute", note)
    with capture_logs() as lines:
        session.commit()
    event.remove(session.get_bind(), "before_cursor_execute", note)
    assert (len(lines), sent) == (1, [])
