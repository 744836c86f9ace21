"""Monitors planned runs: people are notified of runs that have not started.

The notice is withdrawn once all runs it names have started.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, literal, select, type_coerce
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import mark_settled, notice_of
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.base import UtcDateTime
from app.business.outlets.services.notifying import Message, notify

GRACE = timedelta(minutes=2)
KEY = "not-started"
MOST_NAMED = 10
NOT_TAKEN_UP = "no worker has taken it up"
NOT_PLANNED = "it could not be planned; open the rule and save it again"
WHAT_TO_DO = (
    "Nothing is lost: what is due starts as soon as a worker is free. If this stays, open System health "
    "and tell your administrator what is red there."
)


LateRuns = Select[int, int, str, datetime, str]
"""Account, rule, its name, the planned time, and why nothing has begun."""


@dataclass(frozen=True)
class Late:
    """A rule with a planned time that was not started."""

    rule_id: int
    rule_name: str
    planned_at: datetime
    why: str


def late_rules(session: Session, now: datetime) -> dict[int, list[Late]]:
    """By account: rules with a planned time more than two minutes ago that has no run, or one not begun."""
    found: dict[int, list[Late]] = defaultdict(list)
    for late in (_unplanned(now - GRACE), _not_begun(now - GRACE)):
        for account_id, rule_id, rule_name, planned_at, why in session.execute(late):
            found[account_id].append(Late(rule_id, rule_name, planned_at, why))
    return found


def watch(session: Session, now: datetime) -> int:
    """Raise, renew and withdraw the notices; returns the number of accounts with a late rule."""
    late = late_rules(session, now)
    for account_id, rules in late.items():
        _notify(session, session.get_one(Account, account_id), rules, now)
    mark_settled(session, KEY, now, still=late)
    return len(late)


def _unplanned(since: datetime) -> LateRuns:
    rule = AutomationRule
    query = select(
        rule.account_id,
        rule.id,
        rule.name,
        type_coerce(rule.unplanned_from, UtcDateTime()),
        literal(NOT_PLANNED),
    )
    return query.where(rule.unplanned_from < since).order_by(rule.unplanned_from)


def _not_begun(since: datetime) -> LateRuns:
    run = ScheduledTask
    first = func.min(run.scheduled_at)
    return (
        select(run.account_id, run.automation_rule_id, run.rule_name, first, literal(NOT_TAKEN_UP))
        .where(run.status == Status.PENDING, run.waiting_for.is_(None), run.cause == Cause.SCHEDULE)
        .where(func.coalesce(run.not_before, run.scheduled_at) < since)
        .group_by(run.account_id, run.automation_rule_id, run.rule_name)
        .order_by(first)
    )


def _notify(session: Session, account: Account, rules: list[Late], now: datetime) -> None:
    """Notifies once for each rule and planned time: people who have read it are notified again only of new ones."""
    lines = [_line(rule, account.timezone) for rule in rules[:MOST_NAMED]]
    known = notice_of(session, account.id, KEY)
    if known and all(line in known.body for line in lines):
        return
    first = rules[0]
    others = f" and {len(rules) - 1:,} more" if len(rules) > 1 else ""
    notify(
        session,
        account.id,
        Message(
            kind=NoticeKind.LATE,
            level="danger",
            title=f"“{first.rule_name}”{others} did not start at the planned time",
            body=f"{' '.join(lines)} {WHAT_TO_DO}",
            role=Role.OPERATOR,
            key=KEY,
            rule_id=first.rule_id,
            path=f"/rules/{first.rule_id}",
            label="Open the rule",
        ),
        now,
    )


def _line(rule: Late, zone: str) -> str:
    local = rule.planned_at.astimezone(ZoneInfo(zone))
    return f"“{rule.rule_name}”, planned for {local:%d %b %H:%M} ({zone}): {rule.why}."
