"""What a run's end means for incidents: its failures by cause, and the services that have worked again since."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import add_notice
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.catalogue.actions.publish_content import PUBLISH_CONTENT
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.runs import outages
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.site_budgets import site_of
from app.business.automation.services.runs.unit_receipts import Failure
from app.business.automation.unit_models import ActionRun
from app.business.outlets.incident_models import Incident, IncidentFailure
from app.business.outlets.services import incidents
from app.business.outlets.services.incidents import FailureCause, Touched
from app.business.planner.models import Site
from app.business.writer.models import Content

AI, CONSOLE, CREDITS, WORDPRESS = "ai", "console", "credits", "wordpress"
VECTORS = "ai-vectors"
"""Apart from texts, for each may fail while the other works: they come from models of their own."""
PUBLISHING = PUBLISH_CONTENT.key
ASKING = tuple(entry.key for entry in CATALOGUE.values() if entry.asks_model)
GROUPING = tuple(entry.key for entry in CATALOGUE.values() if entry.may_ask_model)
CLASSES: Mapping[str, str] = {
    "timeout": "unavailable",
    "connection": "unavailable",
    "server_error": "unavailable",
    "too_large": "bad_answer",
}
"""Kinds of faults of a service that have one cause."""
OF_REASONS: Mapping[str, tuple[str, str, str]] = {
    Reason.INSUFFICIENT_CREDITS: (CREDITS, "used_up", "Runs"),
    Reason.BUDGET: (CREDITS, "used_up", "Runs"),
    Reason.WORKER_LOST: (CONSOLE, "worker_lost", "Runs"),
}
"""Causes of runs that were ended from outside their units."""
MOST_SITES = 20


def note_failures(
    session: Session, context: RunContext, reason: Reason | None, message: str, failures: Sequence[Failure]
) -> None:
    """Add the run to the incident of each of its causes; without one, tell people of this run alone."""
    found = _causes(session, context, reason, failures)
    if not found:
        _notify(session, context, message)
    # In one order, so that two runs with the same causes do not wait for each other.
    for (place, fault), (subject, units) in sorted(found.items()):
        run = context.run
        touched = Touched(f"run-{run.id}", run.id, context.rule.id, _sites(session, run, units))
        said = units[0].message if units else message
        later = f" {outages.TRIED_AGAIN}" if run.retry_at else ""
        cause = FailureCause(place, fault, subject)
        incidents.note_failure(session, run.account_id, cause, touched, f"{said}{later}", context.now)


def note_successes(session: Session, context: RunContext, failures: Sequence[Failure]) -> None:
    """Close the incidents of services that have worked for this run since their last failure."""
    run = context.run
    failed = {place for place, _ in _causes(session, context, None, failures)}
    opened = [one for one in incidents.open_incidents(session, run.account_id) if one.place not in failed]
    last = {
        id: extent.last_at for id, extent in incidents.extents(session, Scope(run.account_id), opened).items()
    }
    for incident in opened:
        if _works(session, run, incident, last.get(incident.id) or incident.first_at):
            incidents.recover(session, incident, context.now)


def is_ended_by_any_run() -> ColumnElement[bool]:
    """Clause: incidents that a completed run of their rules ends, whatever it did; others need a call outside."""
    outside = (AI, VECTORS, "wordpress-%", "webhook-%")
    return and_(*(Incident.place.not_like(place) for place in outside))


def _works(session: Session, run: ScheduledTask, incident: Incident, since: datetime) -> bool:
    done = (
        ActionRun.account_id == run.account_id,
        ActionRun.run_id == run.id,
        ActionRun.status == "done",
        ActionRun.done_by_run_id.is_(None),
        ActionRun.finished_at >= since,
    )
    match incident.kind:
        case "ai" if incident.place == VECTORS:
            return _any(session, *done, ActionRun.type.in_(GROUPING), ActionRun.model != "")
        case "ai":
            return _any(session, *done, ActionRun.type.in_(ASKING))
        case "wordpress":
            site_id = int(incident.place.partition("-")[2])
            articles = select(Content.id).where(
                Content.account_id == run.account_id, Content.site_id == site_id
            )
            return _any(session, *done, ActionRun.type == PUBLISHING, ActionRun.record_id.in_(articles))
        case "webhook":
            return False
    touched = (
        IncidentFailure.account_id == run.account_id,
        IncidentFailure.incident_id == incident.id,
        IncidentFailure.rule_id == run.automation_rule_id,
    )
    return run.status == Status.COMPLETED and _any(session, *touched)


def _any(session: Session, *clauses: ColumnElement[bool]) -> bool:
    return bool(session.scalar(select(exists().where(*clauses))))


def _causes(
    session: Session, context: RunContext, reason: Reason | None, failures: Iterable[Failure]
) -> dict[tuple[str, str], tuple[str, list[Failure]]]:
    """(place, fault) -> subject and failed units."""
    found: dict[tuple[str, str], tuple[str, list[Failure]]] = {}
    for failure in failures:
        place, subject = _place(session, context, failure)
        fault = failure.fault if place == CONSOLE else CLASSES.get(failure.fault, failure.fault)
        found.setdefault((place, fault), (subject, []))[1].append(failure)
    if not found and reason == Reason.RULE_INVALID:
        found[f"rule-{context.rule.id}", "needs_repair"] = (f"“{context.run.rule_name}”", [])
    elif not found and reason is not None and reason in OF_REASONS:
        place, fault, subject = OF_REASONS[reason]
        found[place, fault] = (subject, [])
    return found


def _place(session: Session, context: RunContext, failure: Failure) -> tuple[str, str]:
    """What failed, and what it is called."""
    entry, fault = failure.unit.step.entry, failure.fault
    if fault == "not_possible":
        return f"rule-{context.rule.id}", f"“{context.run.rule_name}”"
    if entry.asks_model and fault not in ("database", "fault"):
        return AI, "The AI service"
    if entry.may_ask_model and failure.of_service:
        return VECTORS, "The AI service for vectors"
    if entry.key == PUBLISHING and fault not in ("database", "fault"):
        site_id = site_of(session, failure.unit)
        name = session.scalar(
            select(Site.name).where(Site.account_id == context.account.id, Site.id == site_id)
        )
        return f"{WORDPRESS}-{site_id}", f"The WordPress of “{name or 'a site'}”"
    return CONSOLE, "Runs"


def _sites(session: Session, run: ScheduledTask, failures: Sequence[Failure]) -> list[int]:
    if run.site_id:
        return [run.site_id]
    sites = {site_of(session, failure.unit) for failure in failures[:MOST_SITES]}
    return sorted(site_id for site_id in sites if site_id)


def _notify(session: Session, context: RunContext, message: str) -> None:
    """People know the cause: they paused the account, or cancelled the run."""
    add_notice(
        session,
        account_id=context.account.id,
        level="danger",
        title=f"“{context.run.rule_name}” failed",
        body=message,
        key=f"rule-failed-{context.rule.id}-{context.local_day.isoformat()}",
        rule_id=context.rule.id,
        run_id=context.run.id,
        about_site_id=context.run.site_id,
        now=context.now,
    )
