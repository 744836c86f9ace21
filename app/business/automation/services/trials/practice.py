"""Practice mode: what a rule would have done and spent, from its practice runs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_documents import RunResult
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.periods import last_days

DAYS = 30
MOST_RUNS = 10_000


@dataclass
class PracticeDay:
    """What the practice runs of one day would have done."""

    on: date
    runs: int = 0
    records: int = 0
    credits: int = 0


@dataclass(frozen=True)
class PracticeReport:
    """`skips`: reason -> number of runs skipped for it · `days`: oldest first.

    is_cut: only the latest runs are counted, because there are too many.
    """

    runs: int
    records: int
    credits: int
    skips: dict[str, int]
    days: list[PracticeDay]
    is_cut: bool


def practice_report(session: Session, rule: AutomationRule, now: datetime) -> PracticeReport:
    """The rule's practice runs of the last thirty days.

    They are independent of each other: practice claims no records.
    """
    zone = session.scalars(select(Account.timezone).where(Account.id == rule.account_id)).one()
    period = last_days(DAYS, zone, now)
    mine = (
        ScheduledTask.account_id == rule.account_id,
        ScheduledTask.automation_rule_id == rule.id,
        ScheduledTask.status == Status.SKIPPED,
        ScheduledTask.scheduled_at >= period.start,
    )
    practised = (
        select(ScheduledTask.scheduled_at, ScheduledTask.result)
        .where(*mine, ScheduledTask.reason == Reason.SHADOW)
        .order_by(ScheduledTask.scheduled_at.desc())
    )
    runs = session.execute(practised.limit(MOST_RUNS)).all()
    skipped = select(ScheduledTask.reason, func.count()).where(*mine, ScheduledTask.reason != Reason.SHADOW)
    skips = {str(reason): count for reason, count in session.execute(skipped.group_by(ScheduledTask.reason))}
    days = _days(period.dates, runs, ZoneInfo(zone))
    return PracticeReport(
        runs=len(runs),
        records=sum(day.records for day in days),
        credits=sum(day.credits for day in days),
        skips=dict(Counter(skips).most_common()),
        days=days,
        is_cut=len(runs) == MOST_RUNS,
    )


def end_practice(
    session: Session, rule: AutomationRule, actor: Actor, now: datetime, *, expected_version: int | None
) -> None:
    """End practice mode with a new version of the rule. Raises Stale, Conflict, Invalid."""
    data = definition_of(rule) | {"mode": "live"}
    AutomationService().update_rule(session, rule, data, actor, now, expected_version=expected_version)


def _days(
    dates: Sequence[date], runs: Iterable[Row[datetime, RunResult]], zone: ZoneInfo
) -> list[PracticeDay]:
    found = {on: PracticeDay(on) for on in dates}
    for at, result in runs:
        line = found[at.astimezone(zone).date()]
        would = result.get("would", {})
        line.runs += 1
        line.records += would.get("records", 0)
        line.credits += would.get("credits", 0)
    return list(found.values())
