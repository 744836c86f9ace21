"""Lists of runs and the figures of rules."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.history import run_list
from app.business.automation.services.history.rule_figures import rule_figures
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.history.upcoming import Upcoming, upcoming
from app.business.errors import Invalid
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account

MINUTE = timedelta(minutes=1)


@pytest.fixture
def rule(session: Session, account: Account) -> AutomationRule:
    return make_rule(session, account)


def ids_of(
    session: Session, account: Account, now: datetime, limit: int = 50, **filters: object
) -> list[int]:
    """Ids of all pages, one after the other."""
    found: list[int] = []
    cursor: str | None = None
    while True:
        chosen = RunFilters(**filters)  # type: ignore[arg-type]
        page = run_list.runs_page(session, Scope(account.id), chosen, cursor, limit, now)
        found += [run.id for run in page.rows]
        if (cursor := page.next_cursor) is None:
            return found


def newest_first(runs: list[ScheduledTask]) -> list[int]:
    return [run.id for run in sorted(runs, key=lambda run: (run.scheduled_at, run.id), reverse=True)]


def test_pages_follow_one_another_without_a_gap_or_a_repeat(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    runs = [make_run(session, rule, now - MINUTE * (number // 3)) for number in range(10)]
    make_run(session, make_rule(session, make_account(session)), now)
    for limit in (1, 3, 4, 10, 50):
        assert ids_of(session, account, now, limit) == newest_first(runs)


def test_runs_that_arrive_meanwhile_do_not_shift_the_next_page(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    runs = [make_run(session, rule, now - MINUTE * number) for number in range(4)]
    first = run_list.runs_page(session, Scope(account.id), RunFilters(), None, 2, now)
    make_run(session, rule, now)
    second = run_list.runs_page(session, Scope(account.id), RunFilters(), first.next_cursor, 2, now)
    assert [run.id for run in [*first.rows, *second.rows]] == newest_first(runs)


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_several_statuses_and_rules_are_merged_in_order(
    session: Session, account: Account, rule: AutomationRule, now: datetime, limit: int
) -> None:
    other = make_rule(session, account)
    runs = [
        make_run(session, [rule, other][number % 2], now - MINUTE * number, list(Status)[number % 5])
        for number in range(20)
    ]
    wanted = (Status.FAILED, Status.COMPLETED)
    chosen = [run for run in runs if run.status in wanted]
    assert ids_of(session, account, now, limit, status=wanted) == newest_first(chosen)
    of_rule = [run for run in runs if run.automation_rule_id == other.id]
    assert ids_of(session, account, now, limit, rules=(other.id,)) == newest_first(of_rule)
    both = [run for run in chosen if run.automation_rule_id == other.id]
    assert ids_of(session, account, now, limit, rules=(other.id,), status=wanted) == newest_first(both)


def test_times_cause_and_reason_narrow_the_list(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    old = make_run(session, rule, now - MINUTE * 2, cause=Cause.API)
    new = make_run(session, rule, now, Status.SKIPPED, reason="paused")
    assert ids_of(session, account, now, after=now) == [new.id]
    assert ids_of(session, account, now, before=now) == [old.id]
    assert ids_of(session, account, now, cause="api") == [old.id]
    assert ids_of(session, account, now, reason="paused") == [new.id]
    assert ids_of(session, account, now, reason="loop") == []


def test_planned_runs_stand_apart(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    due = make_run(session, rule, now, Status.PENDING)
    later = make_run(session, rule, now + MINUTE * 2, Status.PENDING)
    soon = make_run(session, rule, now + MINUTE, Status.PENDING)
    assert ids_of(session, account, now, status=[Status.PENDING]) == [due.id]
    assert ids_of(session, account, now, upcoming=True) == [later.id, soon.id, due.id]
    found = upcoming(session, Scope(account.id), now, 10)
    assert ([run.id for run in found.runs], found.count) == ([soon.id, later.id], 2)
    assert upcoming(session, Scope(make_account(session).id), now, 10) == Upcoming([], 0)


def test_a_cursor_that_we_did_not_give_is_refused(session: Session, account: Account, now: datetime) -> None:
    for cursor in ("x", "W10", "WyJhIiwgMV0"):
        with pytest.raises(Invalid):
            run_list.runs_page(session, Scope(account.id), RunFilters(), cursor, 10, now)


def test_a_rule_shows_its_last_run_its_last_success_and_its_next(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    success = make_run(session, rule, now - timedelta(days=9))
    make_run(session, rule, now - timedelta(days=8), Status.FAILED)
    failure = make_run(session, rule, now - timedelta(days=1), Status.FAILED)
    skip = make_run(session, rule, now - MINUTE, Status.SKIPPED)
    planned = make_run(session, rule, now + MINUTE, Status.PENDING)
    figures = rule_figures(session, account.id, [rule.id], now)[rule.id]
    assert figures.last_run
    assert figures.last_run.id == skip.id
    assert (figures.last_executed_at, figures.last_success_at) == (failure.started_at, success.finished_at)
    assert (figures.failures, figures.next_run_at) == (1, planned.scheduled_at)


def test_runs_of_today_are_counted_by_the_accounts_day(session: Session, now: datetime) -> None:
    account = make_account(session, timezone="Pacific/Kiritimati")
    rule = make_rule(session, account)
    days = {"account_id": account.id, "rule_id": rule.id}
    tomorrow = (now + timedelta(days=1)).date()
    session.add_all(
        [
            RuleDay(**days, local_day=now.date(), used=5),
            RuleDay(**days, local_day=tomorrow, used=2, split_site_id=1),
            RuleDay(**days, local_day=tomorrow, used=1, split_site_id=2),
        ]
    )
    session.flush()
    late = now.replace(hour=22)
    assert rule_figures(session, account.id, [rule.id], late)[rule.id].runs_today == 3


def test_the_next_time_of_a_rule_is_known_before_its_run_is_planned(
    session: Session, account: Account, now: datetime
) -> None:
    schedule = {"cron": "0 18 * * *", "timezone": "UTC"}
    rule = make_rule(session, account, trigger="schedule", schedule=schedule)
    figures = rule_figures(session, account.id, [rule.id], now)[rule.id]
    assert (figures.last_run, figures.next_run_at) == (None, now.replace(hour=18))


def test_figures_take_two_queries_however_many_rules_there_are(
    session: Session, account: Account, now: datetime
) -> None:
    rules = [make_rule(session, account) for _ in range(5)]
    for rule in rules:
        make_run(session, rule, now)
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *about: statements.append(about[2]))
    figures = rule_figures(session, account.id, [rule.id for rule in rules], now)
    assert (len(figures), len(statements)) == (5, 2)
    assert rule_figures(session, make_account(session).id, [rules[0].id], now) == {}
