"""REST: starting a rule, and what that costs."""

import hashlib
import json
import time
from datetime import UTC, datetime

from flask import Response
from sqlalchemy.exc import IntegrityError

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import CLOSED, Cause, ScheduledTask
from app.business.automation.services.automation_service import AutomationService, Request, check_records
from app.business.automation.services.preflight.start_price import start_price
from app.business.errors import Blocked, Invalid, NotEnoughCredits
from app.infrastructure.database import db, only_reading
from app.infrastructure.process_life import stopping
from app.modules.access import STARTING_RUNS, current_person
from app.modules.api.bodies import Omittable
from app.modules.api.records import show
from app.modules.api.repetition import sent_key
from app.modules.api.resource import report, saved
from app.modules.automation.api.answers import PriceShown
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.runs import run_answer
from app.modules.automation.api.serializers import ExecuteRule, RunShown, StartAsked
from app.modules.automation.diff.edit_conflict import present_rule, require_records
from app.modules.run_actor import actor
from app.modules.waiting import waiting_room

LOOK_EVERY_SECONDS = 0.1


@api.call(
    "POST",
    "/rules/<int:id>/execute/",
    STARTING_RUNS,
    answers={200: RunShown, 202: RunShown},
    errors=(Blocked, NotEnoughCredits),
    if_match=True,
    repeated="same row",
    waits=True,
)
def execute_rule(id: int, body: Omittable[ExecuteRule]) -> Response:
    """Start a run: 202 and the run, or 200 and the finished run if it ends within `wait` seconds.

    If too many requests are waiting already, the answer is 202 immediately.
    """
    rule = present_rule(id)
    require_records(rule, body.record_ids or ())
    run = _opened(rule, body)
    opened = saved(run_answer(run, 202))
    if not body.wait:
        return opened
    with waiting_room.seat(run.account_id) as may_wait:
        if may_wait:
            _await_end(run, body.wait)
    with only_reading():
        return run_answer(run, 200 if run.status in CLOSED else 202)


@api.call(
    "POST",
    "/rules/<int:id>/price/",
    Role.OPERATOR,
    answers={200: PriceShown},
    if_match=True,
    repeated="asks again",
)
def show_price(id: int, body: Omittable[StartAsked]) -> Response:
    """The price of a start with all its follow-ups; nothing is written."""
    rule = present_rule(id)
    if body.backfill and body.record_ids is not None:
        raise Invalid({"record_ids": ["Existing records are all that match. Leave record_ids out."]})
    if body.record_ids is not None:
        require_records(rule, body.record_ids)
        check_records(db.session(), rule, body.record_ids)
    cause = Cause.BACKFILL if body.backfill else actor().cause
    price = start_price(db.session(), rule, datetime.now(UTC), record_ids=body.record_ids, cause=cause)
    return report(show(PriceShown, price))


def _opened(rule: AutomationRule, asked: ExecuteRule) -> ScheduledTask:
    try:
        return _open(rule, asked)
    except IntegrityError:
        # Two requests with the same Idempotency-Key: the other one has opened the run in the meantime.
        db.session.rollback()
        return _open(rule, asked)


def _open(rule: AutomationRule, asked: ExecuteRule) -> ScheduledTask:
    return AutomationService().execute(
        db.session(),
        rule,
        actor(),
        datetime.now(UTC),
        record_ids=asked.record_ids,
        even_if_off=asked.even_if_off,
        max_credits=asked.max_credits,
        request=_request(asked),
    )


def _request(asked: ExecuteRule) -> Request | None:
    key = sent_key()
    if key is None:
        return None
    person = current_person()
    canonical = asked.model_dump() | {"user": person.user.id, "key": person.key.id if person.key else None}
    return Request(key, hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest())


def _await_end(run: ScheduledTask, seconds: float) -> None:
    """Poll the row until the run has ended, the time is over, or the server stops; no transaction stays open."""
    until = time.monotonic() + seconds
    while run.status not in CLOSED and (left := until - time.monotonic()) > 0:
        if stopping.wait(min(LOOK_EVERY_SECONDS, left)):
            return
        with only_reading():
            db.session.refresh(run)
            db.session.commit()
