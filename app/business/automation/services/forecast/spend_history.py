"""Past use of rules by day, from the ledger, and the share of each day on which they were on."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import Cause
from app.business.automation.services.history.credit_days import used_by, used_each_day
from app.business.automation.services.rule_parts import Stored
from app.business.base import Id, UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.periods import Period
from app.business.plain_rows import AnyUnion, plain_rows
from app.business.time_zones import start_of_day
from app.business.words_as_text import words_as_text

BY_HAND = (Cause.MANUAL, Cause.API)
KEPT = 64
"""Periods for which a process keeps the query."""

Source = tuple[int | None, int | None]
"""(rule, site of the run) of credits; the rule is None where a person or a program started the run."""


@dataclass(frozen=True)
class Days:
    """Consecutive days in one time zone; `starts` has one more element than `dates`, the end of the last day."""

    dates: Sequence[date]
    starts: Sequence[datetime]


@dataclass
class SourceSpending:
    """Credits and runs of one source; `used` by day, oldest first."""

    used: list[float]
    runs: int = 0
    credits: int = 0


class SpentOnDay(NamedTuple):
    """Charges minus refunds of the runs of one rule on one site on one day. runs: those that began to use some."""

    rule_id: int
    site_id: int
    cause: str
    on: date
    credits: int
    runs: int


@dataclass(frozen=True)
class Spending:
    """What runs used, by day and source; read once for all sums of a page."""

    lines: Sequence[SpentOnDay]

    def by_rule(self, since: date) -> dict[int, tuple[int, int]]:
        """Credits and runs of each rule from that day on, whatever started them; highest use first."""
        sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for line in self.lines:
            if line.on >= since:
                found = sums[line.rule_id]
                found[0] += line.credits
                found[1] += line.runs
        ordered = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
        return {rule_id: (credits, runs) for rule_id, (credits, runs) in ordered}

    def by_source(self, days: Days) -> dict[Source, SourceSpending]:
        """On these days. Backfills are left out: they happen once and say nothing about the rule's pace."""
        found: dict[Source, SourceSpending] = defaultdict(lambda: SourceSpending([0.0] * len(days.dates)))
        numbers = {on: number for number, on in enumerate(days.dates)}
        for line in self.lines:
            if line.on not in numbers or line.cause == Cause.BACKFILL:
                continue
            by_hand = line.cause in BY_HAND
            spent = found[(None, None) if by_hand else (line.rule_id or None, line.site_id or None)]
            spent.used[numbers[line.on]] += line.credits
            spent.credits += line.credits
            spent.runs += line.runs
        return dict(found)


def days_from(first: date, count: int, zone: str) -> Days:
    """`count` days from `first`, with the length that clock changes give them."""
    dates = [first + timedelta(days=number) for number in range(count + 1)]
    return Days(dates[:-1], [start_of_day(on, zone) for on in dates])


def spending(session: Session, account_id: int, dates: Sequence[date], zone: str) -> Spending:
    """What the account's runs used on these consecutive days, in one query."""
    rows = plain_rows(session, _by_source(account_id, zone, tuple(dates)))
    return Spending(
        [
            SpentOnDay(rule_id, site_id, cause, on, int(credits), int(runs))
            for rule_id, site_id, cause, on, credits, runs in rows
        ]
    )


@kept_queries(KEPT)
def _by_source(account_id: int, zone: str, dates: tuple[date, ...]) -> AnyUnion:
    return words_as_text(used_each_day(account_id, zone, dates))


def used_by_rule(session: Session, account_id: int, period: Period, zone: str) -> dict[int, tuple[int, int]]:
    """Credits of each rule in the period and its runs that began to use some, whatever started them; highest use
    first."""
    credits, charged = Counter[int](), Counter[int]()
    for rule_id, used, runs in plain_rows(session, _used_by_rule(account_id, zone, tuple(period.dates))):
        credits[rule_id] += int(used)
        charged[rule_id] += int(runs)
    ordered = sorted(credits.items(), key=lambda item: (-item[1], item[0]))
    return {rule_id: (used, charged[rule_id]) for rule_id, used in ordered}


@kept_queries(KEPT)
def _used_by_rule(account_id: int, zone: str, dates: tuple[date, ...]) -> AnyUnion:
    return words_as_text(used_by(("rule_id",), account_id, zone, dates))


@dataclass(frozen=True)
class Version:
    """The definition of a rule from `at` on."""

    at: datetime
    definition: Stored


def versions_since(
    session: Session, account_id: int, rule_ids: Sequence[int], since: datetime
) -> dict[int, list[Version]]:
    """For each rule its definitions since then, oldest first: the last one before `since` and all later ones."""
    wanted = {"account_id": account_id, "rule_ids": [*rule_ids], "since": since}
    rows = plain_rows(session, _VERSIONS, wanted) if rule_ids else ()
    found: dict[int, list[Version]] = defaultdict(list)
    for rule_id, created_at, definition in rows:
        found[rule_id].append(Version(created_at, definition))
    return found


_SINCE = bindparam("since", type_=UtcDateTime())
_LAST_BEFORE = (
    select(func.max(RuleVersion.version))
    .where(RuleVersion.rule_id == AutomationRule.id, RuleVersion.created_at < _SINCE)
    .correlate(AutomationRule)
    .scalar_subquery()
)
_VERSIONS = (
    select(RuleVersion.rule_id, RuleVersion.created_at, RuleVersion.definition)
    .join(AutomationRule, AutomationRule.id == RuleVersion.rule_id)
    .where(
        RuleVersion.account_id == bindparam("account_id", type_=Id),
        RuleVersion.rule_id.in_(bindparam("rule_ids", expanding=True)),
        or_(RuleVersion.created_at >= _SINCE, RuleVersion.version == _LAST_BEFORE),
    )
    .order_by(RuleVersion.rule_id, RuleVersion.version)
)


def parts_on(
    versions: Sequence[Version], days: Days, due: Callable[[Stored], Sequence[float]]
) -> list[float]:
    """The share of each day on which the rule was on and due, by the version in force then; `due` gives a version's
    days."""
    parts = [0.0] * len(days.dates)
    ends = [*(version.at for version in versions[1:]), days.starts[-1]]
    for version, end in zip(versions, ends, strict=False):
        if not version.definition["is_active"]:
            continue
        due_parts = due(version.definition)
        for number, (first, last) in enumerate(pairwise(days.starts)):
            part = due_parts[number]
            parts[number] += part * max((min(end, last) - max(version.at, first)) / (last - first), 0)
    return parts
