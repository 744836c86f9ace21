"""The hourly audit: step workers do it slice by slice, each in a transaction of its own that only reads.

Clock workers would start no planned run while it lasts, which is seconds when there are a million runs.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from time import monotonic

import structlog
from redis import Redis

from app.business.automation.services.auditing import invariants
from app.business.automation.services.auditing.invariants import AuditPlace, Breach
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.infrastructure.database import reading_transaction, transaction
from app.infrastructure.messaging import heartbeats, queues

PLACE_KEY = "igny8:audit-place"
KEPT_SECONDS = 3600
"""An audit whose worker died is forgotten: the next one begins within the hour."""
MOST_SECONDS = 0.5
"""Runs that are due come in between."""

log = structlog.get_logger(__name__)


def begin(connection: Redis) -> None:
    """Have a step worker audit, from the first check on."""
    _leave(connection, AuditPlace(), [])


def go_on(connection: Redis, now: datetime, stopping: Callable[[], bool]) -> None:
    """Some slices of the audit that has begun, if one has; one worker at a time has it."""
    left = connection.getdel(PLACE_KEY)
    if not left:
        return
    said = json.loads(left)
    place, found = AuditPlace(*said["place"]), [Breach(**breach) for breach in said["found"]]
    until = monotonic() + MOST_SECONDS
    while True:
        with reading_transaction() as session:
            more, following = invariants.audit_slice(session, place, now)
        found = invariants.with_more(found, more)
        if following is None:
            _note(connection, found, now)
            return
        place = following
        if monotonic() >= until or stopping():
            _leave(connection, place, found)
            return


def _leave(connection: Redis, place: AuditPlace, found: Sequence[Breach]) -> None:
    said = {"place": place, "found": [asdict(breach) for breach in found]}
    connection.set(PLACE_KEY, json.dumps(said), ex=KEPT_SECONDS)
    queues.wake(connection, {LONG_QUEUE})


def _note(connection: Redis, breaches: Sequence[Breach], now: datetime) -> None:
    for breach in breaches:
        log.error("invariant_broken", name=breach.name, rows=breach.rows)
    with transaction() as session:
        invariants.notify_owners(session, breaches, now)
    heartbeats.note_audit(connection, [breach.sentence for breach in breaches], now)
