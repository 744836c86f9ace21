"""REST: runs, from asking for one to its end."""

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, jsonify, request
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import CLOSED, Cause, RunAttempt, RunDetail, ScheduledTask
from app.business.automation.services.automation_service import AutomationService, Request, check_records
from app.business.automation.services.history import figures
from app.business.automation.services.history.run_list import RunFilters, runs_page
from app.business.automation.services.operations import bulk_retry, continuation
from app.business.automation.services.preflight.start_price import start_price
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.result import steps_json
from app.business.errors import Invalid
from app.business.periods import last_days
from app.infrastructure.database import db, only_reading
from app.infrastructure.process_life import stopping
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.resource import (
    answer,
    entity_tag,
    listed,
    read_optional,
    read_query,
    require_present,
    saved,
    window,
)
from app.modules.automation.api.rules import actor
from app.modules.automation.api.serializers import (
    AttemptShown,
    ExecuteRule,
    GoOn,
    NothingAsked,
    RunQuery,
    RunShown,
    StartAsked,
    SummaryQuery,
)
from app.modules.automation.diff.edit_conflict import present_rule
from app.modules.gate.json_text import Malformed
from app.modules.gate.preconditions import if_match
from app.modules.waiting import waiting_room

LONGEST_KEY = 255
LOOK_EVERY_SECONDS = 0.1
PRICE_SHOWN = ("records", "runs", "days", "credits", "credits_max")


@allow(Role.OPERATOR)
def execute_rule(id: int) -> Response:
    """POST execute: 202 and the run; 200 and the finished run when `wait` was long enough.

    Where too many wait already, the answer comes at once.
    """
    asked = read_optional(ExecuteRule)
    run = _opened(present_rule(id), asked)
    opened = saved(_answer(run, 202))
    if not asked.wait:
        return opened
    with waiting_room.seat(run.account_id) as may_wait:
        if may_wait:
            _await_end(run, asked.wait)
    with only_reading():
        return _answer(run, 200 if run.status in CLOSED else 202)


@allow(Role.OPERATOR)
def show_price(id: int) -> Response:
    """POST price: what a start would come to with all its follow-ups; nothing is written."""
    asked, rule = read_optional(StartAsked), present_rule(id)
    if asked.backfill and asked.record_ids is not None:
        raise Invalid({"record_ids": ["Existing records are all that match. Leave record_ids out."]})
    if asked.record_ids is not None:
        check_records(db.session(), rule, asked.record_ids)
    cause = Cause.BACKFILL if asked.backfill else actor().cause
    price = start_price(db.session(), rule, datetime.now(UTC), record_ids=asked.record_ids, cause=cause)
    return jsonify({name: getattr(price, name) for name in PRICE_SHOWN})


@allow(Role.VIEWER)
def list_runs() -> Response:
    """GET scheduled-tasks, newest first; those planned for later only with `upcoming=true`."""
    chosen, part, person = read_query(RunQuery), window(), current_person()
    filters = RunFilters(
        status=chosen.get("status", ()),
        rules=chosen.get("automation_rule", ()),
        after=in_zone(chosen.get("scheduled_after")),
        before=in_zone(chosen.get("scheduled_before")),
        cause=chosen.get("cause"),
        reason=chosen.get("reason"),
        upcoming=chosen.get("upcoming", False),
    )
    now = datetime.now(UTC)
    return listed(runs_page(db.session(), person.account.id, filters, part.cursor, part.limit, now), _show)


@allow(Role.VIEWER)
def get_run(id: int) -> Response:
    """GET one run, with its steps, tries, checks, conditions and records."""
    return answer(_whole(owned_or_404(ScheduledTask, id)))


def _whole(run: ScheduledTask) -> dict[str, Any]:
    """The run as GET shows it; its entity tag is the fingerprint of this."""
    session = db.session()
    detail = session.scalars(select(RunDetail).where(RunDetail.run_id == run.id)).one()
    tries = session.scalars(select(RunAttempt).where(RunAttempt.run_id == run.id).order_by(RunAttempt.number))
    more = {
        "steps": steps_json(session, run, _actions(run)),
        "attempts": [AttemptShown.model_validate(attempt).model_dump(mode="json") for attempt in tries],
        "gates": detail.gates,
        "trace": detail.trace,
        "records": detail.records,
        "go_on": _what_may_go_on(run),
    }
    return _show(run) | more


@allow(Role.OPERATOR)
def retry_run(id: int) -> Response:
    """POST retry: a further attempt of a failed run, only of what is unfinished."""
    read_optional(NothingAsked)
    run = _present_run(id)
    bulk_retry.retry_alone(db.session(), current_person().account, run, actor(), datetime.now(UTC))
    return saved(_answer(run, 202))


@allow(Role.OPERATOR)
def cancel_run(id: int) -> Response:
    """POST cancel: what has not begun is skipped, what works stops before its next record."""
    read_optional(NothingAsked)
    run = _present_run(id)
    commands.cancel(db.session(), run, datetime.now(UTC))
    return saved(_answer(run))


@allow(Role.OPERATOR)
def go_on(id: int) -> Response:
    """POST go-on: a chain that waits for a person, or what an ended run left over: 202 and the run that goes on."""
    asked, run = read_optional(GoOn), _present_run(id)
    following = continuation.go_on(db.session(), run, actor(), asked.max_credits, datetime.now(UTC))
    return saved(_answer(following, 202))


@allow(Role.VIEWER)
def show_summary() -> Response:
    """GET summary: figures of the last days, and whether anything is unaccounted for."""
    days, now = read_query(SummaryQuery).get("days", 30), datetime.now(UTC)
    account = current_person().account
    found = figures.summary(db.session(), account.id, last_days(days, account.timezone, now).start, now)
    return jsonify(
        {
            "active_rules": found.active_rules,
            "runs": found.runs,
            "success_rate": found.success_rate,
            "credits_used": found.credits_used,
            "recent": [_show(run) for run in found.recent],
            "unaccounted": found.unaccounted,
            "from": found.from_at.isoformat(),
            "to": found.to_at.isoformat(),
        }
    )


def _present_run(id: int) -> ScheduledTask:
    """The run to act on, in the state that the caller's If-Match names. Raises NotFound, Stale."""
    run = owned_or_404(ScheduledTask, id)
    if if_match():
        require_present(_whole(run))
    return run


def _answer(run: ScheduledTask, status: int = 200) -> Response:
    return answer(_show(run), status, version=entity_tag(_whole(run)))


def _show(run: ScheduledTask) -> dict[str, Any]:
    return RunShown.model_validate(run).model_dump(mode="json")


def _actions(run: ScheduledTask) -> list[dict[str, Any]]:
    """Those of the rule's version that the run was opened with."""
    definition: Mapping[str, Any] = db.session.scalars(
        select(RuleVersion.definition).where(
            RuleVersion.rule_id == run.automation_rule_id, RuleVersion.version == run.rule_version
        )
    ).one()
    return list(definition["actions"])


def _opened(rule: AutomationRule, asked: ExecuteRule) -> ScheduledTask:
    try:
        return _open(rule, asked)
    except IntegrityError:
        # The same Idempotency-Key came twice at once, and the other request has opened the run meanwhile.
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
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise Malformed(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.")
    person = current_person()
    canonical = asked.model_dump() | {"user": person.user.id, "key": person.key.id if person.key else None}
    return Request(key, hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest())


def _what_may_go_on(run: ScheduledTask) -> dict[str, Any] | None:
    """What POST go-on would let happen, and what that comes to; None where nothing waits for it."""
    found = continuation.offered(db.session(), run, datetime.now(UTC))
    if found is None:
        return None
    return {"what": found.what, "runs": found.runs, "days": found.days, "credits_max": found.credits}


def _await_end(run: ScheduledTask, seconds: float) -> None:
    """Look at the row until the run has ended, the time is over, or the server stops; no transaction stays open."""
    until = time.monotonic() + seconds
    while run.status not in CLOSED and (left := until - time.monotonic()) > 0:
        if stopping.wait(min(LOOK_EVERY_SECONDS, left)):
            return
        with only_reading():
            db.session.refresh(run)
            db.session.commit()


def in_zone(at: datetime | None) -> datetime | None:
    """The instant, in the account's zone where it names none."""
    if at is None or at.tzinfo:
        return at
    return at.replace(tzinfo=ZoneInfo(current_person().account.timezone))
