"""Generated months of accounts: rules with their weeks, bursts and pauses, and the use of each day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.triggering.rule_switch import switch
from app.business.billing.models import CreditEntry
from tests.factories import make_account

FIRST = date(2026, 8, 1)
PAST = 40
AHEAD = 62
IDEAS: dict[str, Any] = {
    "record_type": "cluster",
    "actions": [{"type": "generate_ideas", "params": {}}],
    "credit_limit_per_execution": 10_000,
}
KINDS: dict[str, dict[str, Any]] = {
    "nightly": {"trigger": "schedule", "schedule": {"cron": "0 2 * * *", "timezone": "UTC"}},
    "working days": {"trigger": "schedule", "schedule": {"cron": "0 6 * * 1-5", "timezone": "UTC"}},
    "weekly": {"trigger": "schedule", "schedule": {"cron": "0 7 * * 2", "timezone": "UTC"}},
    "events": {"trigger": "cluster_created"},
    "bursts": {"trigger": "cluster_created"},
}


@dataclass
class MadeMonth:
    """An account at `now`, and the first coming day whose use exceeds its credits (None: all can be paid)."""

    account: Account
    now: datetime
    runs_out: date | None


@dataclass
class _Course:
    """A rule's days: when it was switched on, and what it uses on each."""

    kind: str
    begins: int
    used: list[int]


def make_month(session: Session, seed: int) -> MadeMonth:
    """One account with forty days of history, evaluated in the middle. Flushed, not committed."""
    rng = Random(seed)
    first = FIRST + timedelta(days=rng.randint(0, 60))
    days = [first + timedelta(days=number) for number in range(PAST + AHEAD)]
    courses = [_course(rng, days) for _ in range(rng.randint(1, 5))]
    lately = sum(sum(course.used[PAST - 10 : PAST]) for course in courses) / 10
    left = max(round(lately * rng.uniform(3, 24)), 10)
    account = make_account(session, credits=0)
    for course in courses:
        rule = _make_rule(session, account, course, days)
        _write_history(session, rule, course, days)
    past = sum(sum(course.used[:PAST]) for course in courses)
    granted = {"kind": "grant", "amount": left + past, "key": "granted", "reason": "Enough", "run_id": None}
    session.execute(
        insert(CreditEntry).values(
            account_id=account.id, balance_after=left, created_at=_at(days[0], 0), **granted
        )
    )
    session.execute(update(Account).where(Account.id == account.id).values(credits_balance=left))
    session.expire_all()
    return MadeMonth(account, _at(days[PAST], 0), _runs_out(courses, days, left))


def _course(rng: Random, days: Sequence[date]) -> _Course:
    kind = rng.choice(list(KINDS))
    base, noise, weekend = rng.uniform(4, 40), rng.uniform(0.1, 0.5), rng.uniform(0.05, 0.6)
    chance, burst = rng.uniform(0.1, 0.35), 0.0
    begins = 0 if rng.random() < 0.6 else rng.randint(20, PAST - 3)
    used = []
    for number, day in enumerate(days):
        burst = base * rng.uniform(2, 5) if rng.random() < chance else burst / 2
        usual = {
            "nightly": base,
            "working days": base * (day.weekday() < 5),
            "weekly": 4 * base * (day.weekday() == 1),
            "events": base * (weekend if day.weekday() >= 5 else 1),
            "bursts": burst,
        }[kind]
        skipped = rng.random() < 0.05 or number < begins
        used.append(0 if skipped else round(usual * rng.lognormvariate(0, noise)))
    return _Course(kind, begins, used)


def _make_rule(session: Session, account: Account, course: _Course, days: Sequence[date]) -> AutomationRule:
    """Created on the first day; one that begins later is switched on at that midnight."""
    name = free_name(session, account.id, course.kind)
    data = IDEAS | KINDS[course.kind] | {"name": name, "is_active": not course.begins}
    rule = AutomationService().create_rule(session, account, data, Actor(None), _at(days[0], 0))
    if course.begins:
        switch(session, rule, True, _at(days[course.begins], 0))
    return rule


def _write_history(session: Session, rule: AutomationRule, course: _Course, days: Sequence[date]) -> None:
    """A run and its charge for each day on which something was used."""
    lines = [(day, used) for day, used in zip(days[:PAST], course.used, strict=False) if used]
    if not lines:
        return
    runs = [
        {
            "account_id": rule.account_id, "automation_rule_id": rule.id, "rule_name": rule.name, "rule_version": 1,
            "cause": "event", "status": "completed", "queue": "due", "scheduled_at": _at(day, 8), "credits_used": used,
            "result": {},
        }
        for day, used in lines
    ]  # fmt: skip
    ids = session.scalars(
        insert(ScheduledTask).returning(ScheduledTask.id, sort_by_parameter_order=True), runs
    )
    session.execute(
        insert(CreditEntry),
        [
            {
                "account_id": rule.account_id, "kind": "charge", "amount": -used, "balance_after": 0,
                "key": f"r{run_id}", "reason": "Ideas", "run_id": run_id, "created_at": _at(day, 8),
            }
            for run_id, (day, used) in zip(ids.all(), lines, strict=True)
        ],
    )  # fmt: skip


def _runs_out(courses: Sequence[_Course], days: Sequence[date], left: int) -> date | None:
    for number in range(PAST, len(days)):
        left -= sum(course.used[number] for course in courses)
        if left < 0:
            return days[number]
    return None


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), UTC)
