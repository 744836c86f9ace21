"""A rule that events usually start is named when they stay away for unusually long, once, until they come again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering import silent_rules
from app.business.automation.services.triggering.silent_rules import notice_key, watch_silence
from app.infrastructure.database import reading_transaction, transaction
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


def silent_at(now: datetime) -> int:
    """How many rules are."""
    return watch_silence(transaction, reading_transaction, now)


def notice_titles(session: Session, rule: AutomationRule) -> list[str]:
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
    assert [silent_at(at) for at in quiet] == [0, 0, 0]
    assert notice_titles(session, rule) == []
    assert silent_at(MONDAY.replace(hour=16)) == 1
    assert silent_at(MONDAY.replace(hour=17)) == 1
    assert notice_titles(session, rule) == ["Nothing has started “Cluster what comes” for unusually long"]
    hear(session, rule, [MONDAY.replace(hour=18)], "skipped")
    assert silent_at(MONDAY.replace(hour=18, minute=5)) == 0
    assert notice_titles(session, rule) == []


@pytest.mark.both_databases
def test_where_there_are_many_the_database_counts_them(
    session: Session, rule: AutomationRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    (last,) = silent_rules.last_events(session)
    known = silent_rules.Known(last, last.at - silent_rules.KNOWN)
    counted = silent_rules._by_hour(session, known, silent_rules._times(session, known))
    monkeypatch.setattr(silent_rules, "MOST_TIMES", 50)
    times = silent_rules._times(session, known)
    assert (len(times), silent_rules._by_hour(session, known, times)) == (50, counted)


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
    assert silent_at(MONDAY + timedelta(days=3)) == 0


def test_a_rule_with_little_history_is_not_judged(
    machine: Machine, session: Session, account: Account
) -> None:
    young = machine.make_rule(account, name="Young", trigger="keyword_added")
    hear(session, young, workdays(1))
    assert silent_at(MONDAY + timedelta(days=3)) == 0


@pytest.mark.both_databases
def test_what_a_rule_did_not_hear_while_it_was_off_is_no_silence(
    session: Session, rule: AutomationRule
) -> None:
    """It is off from Friday evening to Thursday morning; then the silence begins to count."""
    service, thursday = AutomationService(), MONDAY + timedelta(days=3)
    service.disable(session, rule, Actor(None), FRIDAY.replace(hour=18))
    session.commit()
    assert silent_at(thursday.replace(hour=8)) == 0
    service.enable(session, rule, Actor(None), thursday.replace(hour=8, minute=30), backfill=False)
    session.commit()
    assert [silent_at(thursday.replace(hour=hour)) for hour in (9, 11, 12)] == [0, 0, 0]
    assert notice_titles(session, rule) == []
    assert silent_at(thursday + timedelta(days=1, hours=-3)) == 1
    # Once events start it again, the days without it are no gap that it has had.
    hear(session, rule, [thursday + timedelta(days=1, hours=number) for number in (-6, -4, -2, 0)])
    assert silent_at(thursday + timedelta(days=1, minutes=10)) == 0
    assert silent_at(MONDAY + timedelta(days=7, hours=1)) == 1
    assert len(notice_titles(session, rule)) == 1


def test_a_named_silence_is_withdrawn_when_the_rule_is_changed_to_hear_something_else(
    session: Session, rule: AutomationRule
) -> None:
    late = MONDAY.replace(hour=18)
    assert silent_at(late) == 1
    definition = definition_of(rule)
    AutomationService().update_rule(session, rule, definition | {"description": "Same"}, Actor(None), late)
    session.commit()
    assert silent_at(late) == 1
    assert len(notice_titles(session, rule)) == 1, "it is as silent as before"
    changed = definition_of(rule) | {"trigger": "idea_created", "record_type": "idea"}
    AutomationService().update_rule(session, rule, changed, Actor(None), late)
    session.commit()
    assert silent_at(late + timedelta(minutes=10)) == 0
    assert notice_titles(session, rule) == []


def test_a_rule_that_hears_every_monday_is_named_after_two_have_passed(
    machine: Machine, session: Session, account: Account
) -> None:
    """Its eight weeks alone would be too little to judge by."""
    weekly = machine.make_rule(account, name="Weekly", trigger="keyword_added")
    hear(session, weekly, [MONDAY - timedelta(weeks=back, hours=back % 3) for back in range(18, 0, -1)])
    last = MONDAY - timedelta(weeks=1, hours=1)
    silent = [silent_at(last + timedelta(days=days)) for days in (8, 12, 14, 21)]
    assert silent == [0, 0, 0, 1]
