"""The morning line: what ran, what waits for a person, what fails, and how long the credits last."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, User
from app.business.accounts.services.notice_choices import NoticeKind, Way, choices_of
from app.business.accounts.services.scope import Scope
from app.business.automation.report_models import DailyReport
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.forecast.credit_watch import lasting
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.automation.services.rule_parts import Stored
from app.business.outlets.incident_models import Incident
from app.business.outlets.services import incidents, mails
from app.business.outlets.services.mails import MailItem, Recipient
from app.business.writer.models import Content, ContentStatus

TITLE = "Good morning"
MOST_INCIDENTS = 5


class OpenIncident(BaseModel):
    """An incident, and the number of its failures."""

    id: int
    title: str
    count: int


class MorningFacts(BaseModel):
    """What the line says, as it is stored. runs: status -> number · to_check: texts · lasting: how long the credits
    last, in words."""

    runs: dict[str, int]
    to_check: int
    incidents: list[OpenIncident]
    credits: int
    lasting: str


def facts_of(session: Session, account: Account, since: datetime, now: datetime) -> MorningFacts:
    """What the line says."""
    to_check = select(func.count(Content.id)).where(
        Content.account_id == account.id, Content.status.in_([ContentStatus.DRAFT, ContentStatus.REVIEW])
    )
    return MorningFacts(
        runs=_runs(session, account, since, now),
        to_check=session.scalar(to_check) or 0,
        incidents=_incidents(session, account),
        credits=account.credits_available,
        lasting=lasting(look_ahead(session, account, now).forecast(), account.credits_available),
    )


def sentences(stored: Stored) -> list[str]:
    """The line, one sentence for each thing."""
    if not stored:
        return []
    facts = MorningFacts.model_validate(stored)
    said = [_of_runs(facts.runs)]
    if count := facts.to_check:
        said.append("1 text to check." if count == 1 else f"{count:,} texts to check.")
    said += [f"{one.title} ({_failures(one.count)})." for one in facts.incidents]
    credits = "1 credit" if facts.credits == 1 else f"{facts.credits:,} credits"
    said.append(f"{credits} left. {facts.lasting}".strip())
    return said


def send(session: Session, account: Account, report: DailyReport, now: datetime) -> int:
    """By mail to everybody who sees all sites and wants it there; returns their number."""
    users = session.scalars(
        select(User).where(User.account_id == account.id, User.is_active).order_by(User.id)
    ).all()
    choices = choices_of(session, users)
    entry = MailItem(
        f"{TITLE}: {account.name}", "\n".join(sentences(report.facts)), "/", "Open the dashboard"
    )
    wanting = [
        user
        for user in users
        if user.site_ids is None and choices[user.id].way(NoticeKind.MORNING) in (Way.MAIL, Way.DIGEST)
    ]
    for user in wanting:
        mails.gather(session, account.id, Recipient(user.email, user.id), NoticeKind.MORNING, entry, now)
    return len(wanting)


def report_of_today(session: Session, user: User, account: Account, now: datetime) -> DailyReport | None:
    """Today's report, unless the person wants no morning line."""
    on = now.astimezone(ZoneInfo(account.timezone)).date()
    report = session.scalar(_REPORT, {"account_id": account.id, "on": on})
    is_off = report and choices_of(session, [user])[user.id].way(NoticeKind.MORNING) == Way.OFF
    return None if is_off else report


_REPORT = select(DailyReport).where(
    DailyReport.account_id == bindparam("account_id"), DailyReport.on == bindparam("on")
)


def _runs(session: Session, account: Account, since: datetime, now: datetime) -> dict[str, int]:
    run = ScheduledTask
    rows = session.execute(
        select(run.status, func.count())
        .where(run.account_id == account.id, run.scheduled_at >= since, run.finished_at < now)
        .group_by(run.status)
    )
    return {str(status): count for status, count in rows}


def _incidents(session: Session, account: Account) -> list[OpenIncident]:
    found = incidents.open_incidents(session, account.id, Incident.muted_at.is_(None))[:MOST_INCIDENTS]
    extents = incidents.extents(session, Scope(account.id), found)
    return [OpenIncident(id=one.id, title=incidents.title(one), count=extents[one.id].count) for one in found]


def _of_runs(runs: Mapping[str, int]) -> str:
    completed, failed = runs.get(Status.COMPLETED, 0), runs.get(Status.FAILED, 0)
    if not completed and not failed:
        return "Nothing ran since yesterday morning."
    ran = completed + failed
    said = "1 run" if ran == 1 else f"{ran:,} runs"
    return f"{said} since yesterday morning, {f'{failed:,} failed' if failed else 'none failed'}."


def _failures(count: int) -> str:
    return "1 failure" if count == 1 else f"{count:,} failures"
