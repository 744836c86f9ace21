"""Opens an incident with the first failure of a cause, adds the further ones to it, and closes it with a success.

Failures append rows and share the incident's lock, so that none waits for another; only the recovery waits for those
that are being written. Of two that open it at once, the unique index lets one through, and the other adds to it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.accounts.models import Role
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import settle_notice
from app.business.accounts.services.scope import LARGEST_ID, Scope
from app.business.base import RowValues
from app.business.errors import Conflict, NotFound
from app.business.outlets.incident_models import Incident, IncidentFailure, IncidentStatus
from app.business.outlets.services.incident_words import over, title_of, words_of
from app.business.outlets.services.notifying import Message, notify
from app.business.outlets.services.webhook_messages import announce
from app.business.paging import Page, keyset_page
from app.business.upsert import insert_many_new, upsert

OPENED, RECOVERED = "incident.opened", "incident.recovered"
MESSAGE_LIMIT = 2_000


@dataclass(frozen=True)
class FailureCause:
    """What failed and how, without the rule and the words of a single failure. subject: the place in words."""

    place: str
    fault: str
    subject: str


@dataclass(frozen=True)
class Touched:
    """What one failure touched. key: a failure is counted once for each."""

    key: str
    run_id: int | None = None
    rule_id: int | None = None
    site_ids: Collection[int] = ()


@dataclass(frozen=True)
class Extent:
    """What the failures of an incident add up to."""

    count: int = 0
    last_at: datetime | None = None
    rules: list[int] = field(default_factory=list)
    sites: list[int] = field(default_factory=list)


def note_failure(
    session: Session, account_id: int, cause: FailureCause, touched: Touched, message: str, now: datetime
) -> None:
    """Add the failure to the open incident of its cause, which the first one opens."""
    message = message[:MESSAGE_LIMIT]
    incident_id, is_new = _open(session, account_id, cause, message, now)
    if not is_new:
        _unmute_if_changed(session, account_id, incident_id, touched)
    for site_id in touched.site_ids or (None,):
        key = f"{touched.key}-{site_id}" if site_id else touched.key
        values: RowValues = {"account_id": account_id, "incident_id": incident_id, "key": key}
        values |= {"site_id": site_id, "run_id": touched.run_id, "rule_id": touched.rule_id}
        renewed: RowValues = {"message": message, "at": now}
        upsert(session, IncidentFailure, values | renewed, unique=["incident_id", "key"], change=renewed)
    if is_new:
        incident = session.get_one(Incident, incident_id)
        _notify_opened(session, incident, touched, now)


def recover(session: Session, incident: Incident, now: datetime, *, is_quiet: bool = False) -> None:
    """The first success since: close it, once. is_quiet: nobody needs to be told, for a person has ended it."""
    closed = session.scalar(
        update(Incident)
        .where(
            Incident.account_id == incident.account_id,
            Incident.id == incident.id,
            Incident.status == IncidentStatus.OPEN,
        )
        .values(status=IncidentStatus.RECOVERED, recovered_at=now)
        .returning(Incident.id)
        .execution_options(synchronize_session=False)
    )
    if closed is None:
        return
    session.refresh(incident)
    settle_notice(session, incident.account_id, _notice_key(incident), now)
    if not is_quiet:
        _notify_recovered(session, incident, now)


def recover_place(
    session: Session, account_id: int, place: str, now: datetime, *, is_quiet: bool = False
) -> None:
    """Close every open incident of the place."""
    for incident in open_incidents(session, account_id, Incident.place == place):
        recover(session, incident, now, is_quiet=is_quiet)


def open_incidents(session: Session, account_id: int, *clauses: ColumnElement[bool]) -> Sequence[Incident]:
    """The account's open incidents, oldest first."""
    query = select(Incident).where(
        Incident.account_id == account_id, Incident.status == IncidentStatus.OPEN, *clauses
    )
    return session.scalars(query.order_by(Incident.id)).all()


def page_of_incidents(
    session: Session,
    scope: Scope,
    *,
    statuses: Collection[IncidentStatus] = (),
    cursor: str | None,
    limit: int,
    oldest: bool = False,
) -> Page[Incident]:
    """Incidents, newest first unless `oldest`. Raises Invalid for a damaged cursor."""
    query = select(Incident).where(seen_by(scope))
    if statuses:
        query = query.where(Incident.status.in_(list(statuses)))
    return keyset_page(session, query, keys=[Incident.id], cursor=cursor, limit=limit, oldest=oldest)


def seen_by(scope: Scope) -> ColumnElement[bool]:
    """Clause of the incidents that somebody sees: those with a failure on one of their sites."""
    mine = Incident.account_id == scope.account_id
    if scope.sites is None:
        return mine
    return mine & Incident.id.in_(select(IncidentFailure.incident_id).where(scope.sees(IncidentFailure)))


def to_report(scope: Scope) -> ColumnElement[bool]:
    """Clause of the open ones among them that nobody has muted."""
    return and_(seen_by(scope), Incident.status == IncidentStatus.OPEN, Incident.muted_at.is_(None))


def found(session: Session, scope: Scope, id: int) -> Incident:
    """Raises NotFound, the same for a missing incident and for one that is not to be seen."""
    row = (
        session.scalar(select(Incident).where(Incident.id == id, seen_by(scope)))
        if id <= LARGEST_ID
        else None
    )
    if row is None:
        raise NotFound
    return row


def extents(session: Session, scope: Scope, incidents: Collection[Incident]) -> Mapping[int, Extent]:
    """What has failed and when, by incident; of it what somebody sees."""
    ids = [incident.id for incident in incidents]
    failure = IncidentFailure
    mine = (scope.sees(failure), failure.incident_id.in_(ids))
    counted = func.count(func.distinct(func.coalesce(failure.run_id, -failure.id)))
    sums = session.execute(
        select(failure.incident_id, counted, func.max(failure.at)).where(*mine).group_by(failure.incident_id)
    ).all()
    rules, sites = (_touched(session, mine, column) for column in (failure.rule_id, failure.site_id))
    return {id: Extent(count, last_at, rules.get(id, []), sites.get(id, [])) for id, count, last_at in sums}


def failures_of(session: Session, scope: Scope, incident: Incident, limit: int) -> Sequence[IncidentFailure]:
    """Its latest failures, newest first."""
    query = select(IncidentFailure).where(
        scope.sees(IncidentFailure), IncidentFailure.incident_id == incident.id
    )
    return session.scalars(
        query.order_by(IncidentFailure.at.desc(), IncidentFailure.id.desc()).limit(limit)
    ).all()


def mute(session: Session, incident: Incident, actor: AuditActor, now: datetime) -> None:
    """Leave it out of reports until it touches another rule or site, or is over. Raises Conflict."""
    muted = session.scalar(
        update(Incident)
        .where(
            Incident.account_id == incident.account_id,
            Incident.id == incident.id,
            Incident.status == IncidentStatus.OPEN,
        )
        .values(muted_at=func.coalesce(Incident.muted_at, now), muted_by_id=actor.user_id)
        .returning(Incident.id)
        .execution_options(synchronize_session=False)
    )
    if muted is None:
        raise Conflict("This incident is over: there is nothing to mute.")
    session.refresh(incident)
    settle_notice(session, incident.account_id, _notice_key(incident), now)
    audit_log.record(session, incident.account_id, actor, "incident.muted", incident, None, now)


def unmute(session: Session, incident: Incident, actor: AuditActor, now: datetime) -> None:
    """Report it again."""
    incident.muted_at = incident.muted_by_id = None
    session.flush()
    audit_log.record(session, incident.account_id, actor, "incident.unmuted", incident, None, now)


def title(incident: Incident) -> str:
    """What it is called."""
    return title_of(incident.kind, incident.fault, incident.subject)


def advice(incident: Incident) -> str:
    """What a person can do about it."""
    return words_of(incident.kind, incident.fault).advice


def _open(
    session: Session, account_id: int, cause: FailureCause, message: str, now: datetime
) -> tuple[int, bool]:
    """The open incident of the cause, and whether it is a new one."""
    known = (
        select(Incident.id)
        .where(
            Incident.account_id == account_id,
            Incident.place == cause.place,
            Incident.fault == cause.fault,
            Incident.status == IncidentStatus.OPEN,
        )
        .with_for_update(read=True)
    )
    row: RowValues = {
        "account_id": account_id,
        "place": cause.place,
        "fault": cause.fault,
        "subject": cause.subject[:300],
        "message": message,
        "status": IncidentStatus.OPEN,
        "first_at": now,
    }
    while True:
        if found := session.scalar(known):
            return found, False
        if made := insert_many_new(session, Incident, [row], Incident.id):
            return made[0][0], True


def _unmute_if_changed(session: Session, account_id: int, incident_id: int, touched: Touched) -> None:
    failure = IncidentFailure
    muted = select(Incident.id).where(Incident.id == incident_id, Incident.muted_at.is_not(None))
    if session.scalar(muted) is None:
        return
    mine = (failure.account_id == account_id, failure.incident_id == incident_id)
    rules = set(session.scalars(select(failure.rule_id).where(*mine).distinct()))
    sites = set(session.scalars(select(failure.site_id).where(*mine).distinct()))
    if touched.rule_id in rules and sites.issuperset(touched.site_ids):
        return
    session.execute(
        update(Incident)
        .where(Incident.account_id == account_id, Incident.id == incident_id)
        .values(muted_at=None, muted_by_id=None)
        .execution_options(synchronize_session="fetch")
    )


def _touched(
    session: Session,
    mine: tuple[ColumnElement[bool], ...],
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None],
) -> dict[int, list[int]]:
    rows = session.execute(
        select(IncidentFailure.incident_id, column)
        .where(*mine, column.is_not(None))
        .distinct()
        .order_by(IncidentFailure.incident_id, column)
    )
    found: dict[int, list[int]] = {}
    for incident_id, id in rows:
        if id is not None:
            found.setdefault(incident_id, []).append(id)
    return found


def _notify_opened(session: Session, incident: Incident, touched: Touched, now: datetime) -> None:
    site = next(iter(touched.site_ids), None) if len(touched.site_ids) == 1 else None
    message = Message(
        kind=NoticeKind.INCIDENT,
        level="danger",
        title=title(incident)[:255],
        body=f"{incident.message} What to do: {advice(incident)}",
        key=_notice_key(incident),
        path=f"/incidents/{incident.id}",
        label="Open the incident",
        role=_audience(incident),
        run_id=touched.run_id,
        rule_id=touched.rule_id,
        incident_id=incident.id,
        site_id=site,
    )
    notify(session, incident.account_id, message, now)
    announce(session, incident.account_id, OPENED, lambda: [{"incident": as_json(session, incident)}], now)


def _notify_recovered(session: Session, incident: Incident, now: datetime) -> None:
    extent = extents(session, Scope(incident.account_id), [incident]).get(incident.id, Extent())
    times = "one failure" if extent.count == 1 else f"{extent.count:,} failures"
    said = over(incident.kind, incident.subject)
    message = Message(
        kind=NoticeKind.INCIDENT,
        level="info",
        title=said[:255],
        body=f"“{title(incident)}” is over, after {times}. What is not tried again by itself can be retried in the "
        "history.",
        key=f"{_notice_key(incident)}-over",
        path=f"/incidents/{incident.id}",
        label="Open the incident",
        role=_audience(incident),
        rule_id=extent.rules[0] if len(extent.rules) == 1 else None,
        incident_id=incident.id,
        site_id=extent.sites[0] if len(extent.sites) == 1 else None,
    )
    notify(session, incident.account_id, message, now)
    announce(session, incident.account_id, RECOVERED, lambda: [{"incident": as_json(session, incident)}], now)


def as_json(session: Session, incident: Incident) -> dict[str, JsonValue]:
    """As the API shows it."""
    extent = extents(session, Scope(incident.account_id), [incident]).get(incident.id, Extent())
    return {
        "id": incident.id,
        "cause": incident.cause,
        "title": title(incident),
        "status": incident.status,
        "first_at": incident.first_at.isoformat(),
        "last_at": (extent.last_at or incident.first_at).isoformat(),
        "recovered_at": incident.recovered_at.isoformat() if incident.recovered_at else None,
        "count": extent.count,
        "rules": [*extent.rules],
        "sites": [*extent.sites],
        "advice": advice(incident),
    }


def _audience(incident: Incident) -> Role | None:
    """Webhooks are owners' business."""
    return Role.OWNER if incident.kind == "webhook" else None


def _notice_key(incident: Incident) -> str:
    return f"incident-{incident.id}"
