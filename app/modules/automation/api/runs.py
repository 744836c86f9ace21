"""REST: runs, from start to end."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flask import Response, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import CLOSED, Cause, RunAttempt, RunDetail, ScheduledTask
from app.business.automation.services.automation_service import AutomationService, Request, check_records
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.history import figures
from app.business.automation.services.history.run_export import COLUMNS, exported_runs
from app.business.automation.services.history.run_list import RunFilters, runs_page
from app.business.automation.services.operations import bulk_retry, continuation
from app.business.automation.services.operations.undo import operation as undo
from app.business.automation.services.preflight.start_price import start_price
from app.business.automation.services.runs import commands, person_questions
from app.business.automation.services.runs.result import steps_json
from app.business.errors import Blocked, Busy, Invalid, NotEnoughCredits
from app.business.periods import last_days
from app.business.planner.services.plain_text import clean_body, clean_line
from app.infrastructure.database import db, only_reading
from app.infrastructure.process_life import stopping
from app.modules.access import STARTING_RUNS, current_person, owned_or_404
from app.modules.api.bodies import Omittable
from app.modules.api.exports import FILE
from app.modules.api.records import in_zone, show
from app.modules.api.repetition import sent_key
from app.modules.api.resource import (
    Listed,
    Window,
    answer,
    entity_tag,
    json_of,
    listed,
    report,
    require_present,
    saved,
)
from app.modules.automation.actor import actor
from app.modules.automation.api.answers import (
    ContinuationShown,
    PriceShown,
    QuestionShown,
    RunWhole,
    SummaryShown,
)
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.serializers import (
    AnswerQuestion,
    AttemptShown,
    ExecuteRule,
    GoOn,
    OperationShown,
    RunExportQuery,
    RunQuery,
    RunShown,
    StartAsked,
    SummaryQuery,
)
from app.modules.automation.diff.edit_conflict import present_rule, require_records
from app.modules.file_answers import file_of
from app.modules.gate.preconditions import if_match
from app.modules.quotas import EXPORTS
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
    opened = saved(_answer(run, 202))
    if not body.wait:
        return opened
    with waiting_room.seat(run.account_id) as may_wait:
        if may_wait:
            _await_end(run, body.wait)
    with only_reading():
        return _answer(run, 200 if run.status in CLOSED else 202)


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


@api.call("GET", "/scheduled-tasks/", Role.VIEWER, answers={200: Listed[RunShown]})
def list_runs(query: RunQuery, window: Window) -> Response:
    """Runs, newest first; those planned for later only with `upcoming=true`.

    `ordering=id` is the order in which runs were opened: whoever walks it gets every run once, also those that are
    opened meanwhile.
    """
    scope, now = current_person().scope, datetime.now(UTC)
    page = runs_page(db.session(), scope, _filters(query), window.cursor, window.limit, now)
    return listed(window, page, _show)


@api.call(
    "GET",
    "/scheduled-tasks/export/",
    Role.VIEWER,
    answers=FILE,
    errors=(Busy,),
    quota=EXPORTS,
)
def export_runs(query: RunExportQuery) -> Response:
    """The newest runs of the filter, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    scope, now, session = current_person().scope, datetime.now(UTC), db.session()
    filters = replace(
        _filters(query),
        site=query.site,
        user=query.actor,
        text=query.q,
        cost_min=query.cost_min,
        cost_max=query.cost_max,
    )
    return file_of("runs", query.format, COLUMNS, exported_runs(session, scope, filters, now))


def _filters(query: RunQuery) -> RunFilters:
    return RunFilters(
        status=query.status,
        rules=query.automation_rule,
        after=in_zone(query.scheduled_after),
        before=in_zone(query.scheduled_before),
        cause=query.cause,
        reason=query.reason,
        upcoming=query.upcoming,
        oldest=query.ordering == "scheduled_at",
        by_id=query.ordering == "id",
    )


@api.call("GET", "/scheduled-tasks/<int:id>/", Role.VIEWER, answers={200: RunWhole}, if_match=True)
def get_run(id: int) -> Response:
    """One run, with its steps, attempts, checks, conditions and records."""
    return answer(_whole(owned_or_404(ScheduledTask, id)))


def _whole(run: ScheduledTask) -> RunWhole:
    """The run as GET returns it; its entity tag is a hash of this."""
    session = db.session()
    detail = session.scalars(select(RunDetail).where(RunDetail.run_id == run.id)).one()
    attempts = session.scalars(
        select(RunAttempt).where(RunAttempt.run_id == run.id).order_by(RunAttempt.number)
    )
    offer = continuation.offered(session, run, current_person().scope, datetime.now(UTC))
    more = {
        "steps": steps_json(session, run, _actions(run)),
        "attempts": [show(AttemptShown, attempt) for attempt in attempts],
        "gates": detail.gates,
        "trace": detail.trace,
        "records": detail.records,
        "questions": [_question(question) for question in person_questions.open_questions(session, run)],
        "go_on": show(ContinuationShown, offer) if offer else None,
    }
    return RunWhole.model_validate(_show(run).model_dump() | more)


@api.call("POST", "/scheduled-tasks/<int:id>/retry/", STARTING_RUNS, answers={202: RunShown}, if_match=True)
def retry_run(id: int) -> Response:
    """Retry a failed run; finished units are not repeated."""
    run = _present_run(id)
    bulk_retry.retry_alone(db.session(), current_person().account, run, actor(), datetime.now(UTC))
    return saved(_answer(run, 202))


@api.call("POST", "/scheduled-tasks/<int:id>/cancel/", STARTING_RUNS, answers={200: RunShown}, if_match=True)
def cancel_run(id: int) -> Response:
    """A pending run is skipped, a running one stops before its next record."""
    run = _present_run(id)
    commands.cancel(db.session(), run, datetime.now(UTC))
    return saved(_answer(run))


@api.call(
    "POST", "/scheduled-tasks/<int:id>/undo/", Role.OPERATOR, answers={202: OperationShown}, if_match=True
)
def undo_run(id: int) -> Response:
    """Undo a run: archive what it made and nobody touched, give back statuses: 202 and the operation.

    Its result when it is done: what was archived and restored by type, and what stays with the reason. Credits stay
    spent.
    """
    operation = undo.begin_undo(db.session(), _present_run(id), actor(), datetime.now(UTC))
    response = answer(show(OperationShown, operation), 202)
    response.location = url_for(".get_operation", id=operation.id)
    return saved(response)


@api.call(
    "POST",
    "/scheduled-tasks/<int:id>/go-on/",
    STARTING_RUNS,
    answers={202: RunShown},
    errors=(NotEnoughCredits,),
    if_match=True,
)
def go_on(id: int, body: Omittable[GoOn]) -> Response:
    """Continue a chain of runs that waits for review, or work left over by an ended run: 202 and the run that
    continues it."""
    run = _present_run(id)
    following = continuation.go_on(db.session(), run, actor(), body.max_credits, datetime.now(UTC))
    return saved(_answer(following, 202))


@api.call(
    "POST",
    "/scheduled-tasks/<int:id>/answer/",
    STARTING_RUNS,
    answers={200: RunShown},
    if_match=True,
)
def answer_run(id: int, body: AnswerQuestion) -> Response:
    """Answer a question of a run, once: with its first answer the run goes on.

    Only those who are asked may, and only to the version that they have seen.
    """
    run, person = _present_run(id), current_person()
    if missing := [name for name in ("question", "version", "answer") if not getattr(body, name)]:
        raise Invalid({name: ["Send it: the run's GET shows its questions."] for name in missing})
    given = person_questions.Answer(
        body.question or 0,
        clean_line(body.answer, "answer"),
        note=clean_body(body.note, "note", limit=2_000),
        version=clean_line(body.version, "version"),
        outline=body.outline,
    )
    person_questions.answer(db.session(), run, given, person.user, person.actor, datetime.now(UTC))
    db.session.refresh(run)
    return saved(_answer(run))


def _question(asked: person_questions.Question) -> QuestionShown:
    return QuestionShown(
        id=asked.id,
        version=asked.version,
        text=asked.text,
        answers=asked.answers,
        who=asked.who,
        until=asked.until,
        step=asked.step,
        record=asked.record_id if asked.outline else None,
        outline=asked.outline,
    )


@api.call("GET", "/summary/", Role.VIEWER, answers={200: SummaryShown})
def show_summary(query: SummaryQuery) -> Response:
    """Figures of the last days, and the number of unaccounted times and batches."""
    person, now = current_person(), datetime.now(UTC)
    zone = person.account.timezone
    period = last_days(query.days, zone, now)
    found = figures.summary(db.session(), person.scope, period, zone, now)
    return report(
        SummaryShown(
            active_rules=found.active_rules,
            runs=found.runs,
            success_rate=found.success_rate,
            credits_used=found.credits_used,
            recent=[_show(run) for run in found.recent],
            unaccounted=found.unaccounted,
            from_at=found.from_at,
            to_at=found.to_at,
        )
    )


def _present_run(id: int) -> ScheduledTask:
    """The run to act on, in the state given by If-Match. Raises NotFound, Stale."""
    run = owned_or_404(ScheduledTask, id)
    if if_match():
        require_present(_whole(run))
    return run


def _answer(run: ScheduledTask, status: int = 200) -> Response:
    return answer(_show(run), status, version=entity_tag(json_of(_whole(run))))


def _show(run: ScheduledTask) -> RunShown:
    return show(RunShown, run)


def _actions(run: ScheduledTask) -> list[Action]:
    """The actions in the rule version that the run was opened with."""
    definition: Mapping[str, Any] = db.session.scalars(
        select(RuleVersion.definition).where(
            RuleVersion.rule_id == run.automation_rule_id, RuleVersion.version == run.rule_version
        )
    ).one()
    return stored_actions(definition["actions"])


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
