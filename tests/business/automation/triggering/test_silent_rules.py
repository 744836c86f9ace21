"""A rule that events usually start is named when they stay away for unusually long, once, until they come again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask
from app.business.automation.services.triggering import silent_rules
from app.business.automation.services.triggering.silent_rules import notice_key, watch_silence
from tests.business.automation.machine import Machine

WORKDAY_HOURS = (9, 11, 13, 15)
FRIDAY = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MONDAY = FRIDAY + timedelta(days=3)


def hear(
    session: Session, rule: AutomationRule, times: Sequence[datetime], status: str = "completed"
) -> None:
    for at in times:
        run = ScheduledTask(
            account_id=rule.account_id, automation_rule_id=rule.id, rule_name=rule.name, rule_version=1,
            cause=Cause.EVENT, status=status, queue="short", scheduled_at=at, finished_at=at,
        )  # fmt: skip
        session.add(run)
        session.flush()
        session.add(RunDetail(account_id=rule.account_id, run_id=run.id))
    session.commit()


def workdays(weeks: int) -> list[datetime]:
    """At the same hours of every working day, until that Friday."""
    days = [FRIDAY.replace(hour=0) - timedelta(days=back) for back in range(weeks * 7)]
    return sorted(day + timedelta(hours=hour) for day in days for hour in WORKDAY_HOURS if day.weekday() < 5)


def told(session: Session, rule: AutomationRule) -> list[str]:
    session.expire_all()
    query = select(Notice.title).where(Notice.key == notice_key(rule.id), Notice.read_at.is_(None))
    return list(session.scalars(query))


@pytest.fixture
def rule(machine: Machine, session: Session, account: Account) -> AutomationRule:
    made = machine.make_rule(account, name="Cluster what comes", trigger="keyword_added")
    hear(session, made, workdays(4))
    return made


@pytest.mark.both_databases
def test_a_stop_is_named_once_and_withdrawn_with_the_next_event(
    session: Session, rule: AutomationRule
) -> None:
    quiet = [MONDAY.replace(hour=hour) for hour in (0, 9, 11)]
    assert [watch_silence(session, at) for at in quiet] == [0, 0, 0]
    assert told(session, rule) == []
    assert watch_silence(session, MONDAY.replace(hour=16)) == 1
    assert watch_silence(session, MONDAY.replace(hour=17)) == 1
    assert told(session, rule) == ["Nothing has started “Cluster what comes” for unusually long"]
    hear(session, rule, [MONDAY.replace(hour=18)], "skipped")
    assert watch_silence(session, MONDAY.replace(hour=18, minute=5)) == 0
    assert told(session, rule) == []


@pytest.mark.both_databases
def test_where_there_are_many_the_database_counts_them(
    session: Session, rule: AutomationRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    (last,) = silent_rules.last_events(session)
    counted = silent_rules._by_hour(session, last, silent_rules._times(session, last))
    monkeypatch.setattr(silent_rules, "MOST_TIMES", 50)
    times = silent_rules._times(session, last)
    assert (len(times), silent_rules._by_hour(session, last, times)) == (50, counted)


@pytest.mark.parametrize("change", ["off", "archived", "paused"])
def test_nobody_is_told_of_rules_that_do_not_listen(
    session: Session, account: Account, rule: AutomationRule, change: str
) -> None:
    if change == "paused":
        account.paused_at = MONDAY
    elif change == "off":
        rule.is_active = False
    else:
        rule.is_active, rule.archived_at = False, MONDAY
    session.commit()
    assert watch_silence(session, MONDAY + timedelta(days=3)) == 0


def test_a_rule_with_little_history_is_not_judged(
    machine: Machine, session: Session, account: Account
) -> None:
    young = machine.make_rule(account, name="Young", trigger="keyword_added")
    hear(session, young, workdays(1))
    assert watch_silence(session, MONDAY + timedelta(days=3)) == 0
