"""Runs and notices that need a person: recently failed runs, waiting runs, and notices about them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, not_, or_, select, true
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_documents import ExhaustedBudget
from app.business.automation.run_models import Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.history.listed_runs import LISTED, ListedRun, listed_runs
from app.business.base import UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.outlets.incident_models import Incident, IncidentFailure, IncidentStatus
from app.business.plain_rows import AnyColumns, plain_rows
from app.business.sql_functions import is_among
from app.business.words_as_text import words_as_text

MOST_WAITING = 500
KEPT = 64
"""Scopes for which a process keeps a query."""


def failed_since(
    session: Session,
    scope: Scope,
    since: datetime,
    limit: int,
    *,
    without_incidents: bool = False,
    broken: Collection[int] = (),
) -> list[ListedRun]:
    """Failed runs since then, newest first. without_incidents: those of open incidents are left out, for the incident
    says what to do about all of its runs · broken: rules that need repair; runs that failed for it are left out."""
    values = {"since": since, "broken": list(broken)}
    return listed_runs(session, _failed(scope, limit, without_incidents), values)


@kept_queries(KEPT)
def _failed(scope: Scope, limit: int, without_incidents: bool) -> AnyColumns:
    query = select(*LISTED).where(
        scope.sees(ScheduledTask),
        ScheduledTask.status == Status.FAILED,
        ScheduledTask.scheduled_at >= bindparam("since", type_=UtcDateTime()),
        ScheduledTask.undo_id.is_(None),
        or_(
            func.coalesce(ScheduledTask.reason, "") != Reason.RULE_INVALID,
            not_(is_among(ScheduledTask.automation_rule_id, "broken")),
        ),
    )
    if without_incidents:
        query = query.where(ScheduledTask.id.not_in(_of_open_incidents(scope.account_id)))
    return words_as_text(query.order_by(ScheduledTask.scheduled_at.desc()).limit(limit))


def _of_open_incidents(account_id: int) -> Select[int | None]:
    failure = IncidentFailure
    return (
        select(failure.run_id)
        .join(Incident, Incident.id == failure.incident_id)
        .where(
            Incident.account_id == account_id,
            Incident.status == IncidentStatus.OPEN,
            failure.account_id == account_id,
            failure.run_id.is_not(None),
        )
    )


def waiting_counts(session: Session, scope: Scope) -> dict[str, int]:
    """The number of waiting runs, by what they wait for."""
    return {str(waiting): count for waiting, count in plain_rows(session, _waiting(scope))}


@kept_queries(KEPT)
def _waiting(scope: Scope) -> Select[str | None, int]:
    return waiting_runs(scope)


def waiting_runs(scope: Scope) -> Select[str | None, int]:
    """The query: what runs wait for, and their number."""
    return (
        select(ScheduledTask.waiting_for, func.count())
        .where(scope.sees(ScheduledTask), ScheduledTask.waiting_for.is_not(None))
        .group_by(ScheduledTask.waiting_for)
    )


def waiting_budgets(session: Session, scope: Scope) -> list[tuple[ScheduledTask, int]]:
    """For each budget that runs wait for, one of them and their number; the most frequent first."""
    query = select(ScheduledTask).where(
        scope.sees(ScheduledTask), ScheduledTask.waiting_for == Waiting.BUDGET
    )
    found: dict[tuple[str, int, str, str], list[ScheduledTask]] = {}
    for run in session.scalars(query.order_by(ScheduledTask.scheduled_at).limit(MOST_WAITING)):
        if run.budget:
            found.setdefault(_key(run.budget), []).append(run)
    return sorted(((runs[0], len(runs)) for runs in found.values()), key=lambda pair: -pair[1])


def _key(budget: ExhaustedBudget) -> tuple[str, int, str, str]:
    return budget["scope"], budget["id"], budget["name"], budget["period"]


def notices_seen(scope: Scope) -> ColumnElement[bool]:
    """Clause: notices about sites, rules and runs in scope; of the whole account only for people who see it all."""
    if scope.sites is None:
        return true()
    runs = select(ScheduledTask.id).where(scope.sees(ScheduledTask))
    rules = select(AutomationRule.id).where(scope.sees(AutomationRule))
    about = func.coalesce(Notice.run_id, Notice.rule_id, Notice.about_site_id)
    return and_(
        about.is_not(None),
        or_(Notice.run_id.is_(None), Notice.run_id.in_(runs)),
        or_(Notice.rule_id.is_(None), Notice.rule_id.in_(rules)),
        or_(Notice.about_site_id.is_(None), Notice.about_site_id.in_(sorted(scope.sites))),
    )


def waiting_for_pause(session: Session, scope: Scope) -> list[tuple[ScheduledTask, int]]:
    """Runs that start as soon as automation is resumed, each with its credit limit."""
    query = (
        select(ScheduledTask, AutomationRule.credit_limit_per_execution)
        .join(AutomationRule, AutomationRule.id == ScheduledTask.automation_rule_id)
        .where(scope.sees(ScheduledTask), ScheduledTask.waiting_for == Waiting.PAUSE)
        .order_by(ScheduledTask.priority, ScheduledTask.scheduled_at)
    )
    return [(run, limit) for run, limit in session.execute(query.limit(1000))]
