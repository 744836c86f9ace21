"""Planned times found too late: which of them are made up for, and a row with a sentence for each of the others."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, Cause, Reason
from app.business.automation.services.runs import Opening, record_skip

LATE = timedelta(minutes=1)
"""A due instant found without a row this long after it was missed, not merely late."""
MOST_ROWS = 100
OFFLINE = "We were offline at this time."
EDITED = "The rule was changed or switched off before we were back."


@dataclass(frozen=True)
class Verdict:
    """Missed times, oldest first: those that run now, and those that do not, with why."""

    made_up: list[datetime]
    lost: list[datetime]
    why: str = ""


def judge(rule: AutomationRule, missed: list[datetime], now: datetime) -> Verdict:
    """What the rule's choice for times when we were offline says about the `missed` ones."""
    if rule.catch_up == "none":
        return Verdict([], missed, "This rule does not make up for missed times.")
    if rule.catch_up == "all":
        why = f"Of the missed times the latest {MOST_ROWS} are made up for; this one is older."
        return Verdict(missed[-MOST_ROWS:], missed[:-MOST_ROWS], why)
    *older, latest = missed
    if latest < now - timedelta(hours=rule.catch_up_hours):
        return Verdict([], missed, f"That is more than {rule.catch_up_hours} h ago, too long to make up for.")
    return Verdict([latest], older, f"Replaced by the run planned for {latest:%d %b %H:%M} UTC.")


def record_missed(
    session: Session,
    rule: AutomationRule,
    lost: list[datetime],
    why: str,
    now: datetime,
    *,
    site_id: int,
    version: int,
) -> None:
    """A skipped row for each lost time; those before the latest hundred share one, with their count."""
    folded, single = lost[:-MOST_ROWS], lost[-MOST_ROWS:]
    rows: list[tuple[datetime, str, dict[str, object]]] = [(at, OFFLINE, {}) for at in single]
    if folded:
        counts = {"count": len(folded), "first_at": folded[0], "last_at": folded[-1]}
        rows.append((folded[-1], f"We were offline for {len(folded):,} planned times.", counts))
    for at, sentence, extra in rows:
        opening, message = planned_opening(at, site_id), f"{sentence} {why}"
        record_skip(session, rule, opening, Reason.MISSED, message, now, rule_version=version, **extra)


def planned_opening(instant: datetime, site_id: int) -> Opening:
    """Of a run at a planned time, for one site where the rule is split over its sites."""
    opening = Opening(cause=Cause.SCHEDULE, scheduled_at=instant, split_site_id=site_id)
    return replace(opening, site_id=site_id) if site_id else opening
