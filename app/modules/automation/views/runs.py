"""The page of one run, and the actions on it."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import ENDED, Operation, OperationState
from app.business.automation.run_models import CLOSED, ScheduledTask, Status
from app.business.automation.services.catalogue.triggers import subject_of
from app.business.automation.services.history.run_page import (
    RunPage,
    find_run,
    lateness_seconds,
    load_run_page,
)
from app.business.automation.services.operations import bulk_retry, continuation
from app.business.automation.services.operations.retry_chain import retry_chain
from app.business.automation.services.operations.retry_price import RetryPrice
from app.business.automation.services.preflight import chain_release
from app.business.automation.services.preflight.left_over_work import LeftOverWork, left_over
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.runs import commands, person_questions
from app.business.automation.services.runs.held_records import held_until, holder_of
from app.business.automation.services.runs.skipped_records import RunAgain, run_again
from app.business.automation.services.runs.start_list import stretch_of
from app.business.automation.services.runs.waiting import waits_until
from app.business.errors import Invalid
from app.business.planner.services.plain_text import clean_body
from app.business.writer.services.article_outline import outline_from, outline_text
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.labels.starts import StartCost, cost_of_start, shown_total
from app.modules.automation.labels.traces import trace_lines
from app.modules.gate.numbers import row_id
from app.modules.run_actor import actor
from app.modules.sent_once import sent_once
from app.modules.web import Context, see_other

NOTE_LIMIT = 2_000


@allow(Role.VIEWER)
def show(id: int) -> ResponseReturnValue:
    """Why it ran or did not, what it did, what it cost."""
    run = _run(id)
    now = datetime.now(UTC)
    page = load_run_page(db.session(), run, now)
    return render_template("pages/automation/run.html", **_context(page, run, now))


@allow(Role.OPERATOR)
@sent_once
def retry(id: int) -> ResponseReturnValue:
    """Retry it; finished units are not repeated."""
    run = _run(id)
    account, now = current_person().account, datetime.now(UTC)
    bulk_retry.retry_alone(db.session(), account, run, actor(), now, named=shown_total())
    when = "when automation is resumed" if current_person().account.paused_at else "now"
    return _done(run, f"It is tried again {when}: only what was not finished.")


@allow(Role.OPERATOR)
def cancel(id: int) -> ResponseReturnValue:
    """Cancel the run: it stops before its next record."""
    run = _run(id)
    commands.cancel(db.session(), run, datetime.now(UTC))
    return _done(run, "Cancelled. What is finished stays.")


@allow(Role.EDITOR)
@sent_once
def go_on(id: int) -> ResponseReturnValue:
    """A person has reviewed a long chain of runs and continues those that wait."""
    run = _run(id)
    runs = chain_release.go_on(
        db.session(), run, datetime.now(UTC), shown_total(), scope=current_person().scope
    )
    return _done(run, "It goes on." if runs == 1 else f"All {runs:,} go on.")


@allow(Role.OPERATOR)
def answer(id: int) -> ResponseReturnValue:
    """A person answers what the run asks: once, for the question that was shown."""
    run, person, form = _run(id), current_person(), request.form
    verdict, changed = form.get("verdict", ""), form.get("outline")
    if not verdict:
        raise Invalid({"verdict": ["Choose an answer."]})
    given = person_questions.Answer(
        row_id(form.get("question")) or 0,
        verdict,
        note=clean_body(form.get("note", "").strip(), "note", limit=NOTE_LIMIT),
        version=form.get("version"),
        outline=None if changed is None else outline_from(changed),
    )
    person_questions.answer(db.session(), run, given, person.user, person.actor, datetime.now(UTC))
    return _done(run, "Answered.")


@allow(Role.OPERATOR)
@sent_once
def do_left_over(id: int, credits: int) -> ResponseReturnValue:
    """Start the work that the run left over, for the price that was shown."""
    following = continuation.go_on(db.session(), _run(id), actor(), credits, datetime.now(UTC))
    return _done(following, "It goes on here with what was left over.")


def _run(id: int) -> ScheduledTask:
    return find_run(db.session(), current_person().scope, id)


def _context(page: RunPage, run: ScheduledTask, now: datetime) -> Context:
    subject = subject_of(page.definition.trigger, page.definition.record_type)
    undoing = db.session.get_one(Operation, run.undo_id) if run.undo_id else None
    is_being_undone = undoing is not None and undoing.state not in ENDED
    left, again = (None, None) if is_being_undone else _left_over(run, now)
    samples = (run.detail.trace or {}).get("records", [])
    return {
        "page": page,
        "run": run,
        "late": lateness_seconds(run),
        "retry": _retry_price(run, now),
        "again": again,
        "cost": _cost(again, run, now),
        "left": left,
        "review": chain_release.review_of(db.session(), run, now, scope=current_person().scope),
        "waits_until": waits_until(run),
        "undoing": undoing,
        "may_undo": run.status in CLOSED
        and (undoing is None or undoing.state in (OperationState.FAILED, OperationState.CANCELLED))
        and current_person().can(Role.OPERATOR)
        and _left_something(page),
        "questions": _questions(run),
        **_holder(run, now),
        "sentence": summary_of(page.definition, page.site),
        "traces": [(sample["id"], trace_lines(sample["trace"], subject)) for sample in samples],
    }


def _questions(run: ScheduledTask) -> list[Context]:
    """What it waits to be told, and whether this person may say it."""
    session, person = db.session(), current_person()
    return [
        {
            "asked": question,
            "who": person_questions.who_words(session, run.account_id, question.who),
            "may_answer": person_questions.may_answer(question, person.user),
            "outline_text": outline_text(question.outline) if question.outline else "",
        }
        for question in person_questions.open_questions(session, run)
    ]


def _holder(run: ScheduledTask, now: datetime) -> Context:
    """The run whose records this one waits for, and its state."""
    holder = holder_of(db.session(), run)
    zone = current_person().account.timezone
    return {"holder": holder, "held": held_until(holder, zone, now) if holder else ""}


def _left_over(run: ScheduledTask, now: datetime) -> tuple[LeftOverWork | None, RunAgain | None]:
    """Work that may be continued after this run, or the start that may replace it."""
    again = run_again(db.session(), run, now)
    if again and not stretch_of(run.detail).total:
        return None, again
    left = left_over(db.session(), run, now)
    return left, None if left else again


def _cost(again: RunAgain | None, run: ScheduledTask, now: datetime) -> StartCost | None:
    """The price of a start with the records that a limit left out."""
    if again is None or not current_person().can(Role.OPERATOR):
        return None
    rule = db.session.get_one(AutomationRule, run.automation_rule_id)
    return cost_of_start(rule, now, record_ids=again.records)


def _left_something(page: RunPage) -> bool:
    """Whether it made or changed records."""
    return any(step["records"] for step in page.steps)


def _retry_price(run: ScheduledTask, now: datetime) -> RetryPrice | None:
    if run.status != Status.FAILED or not current_person().can(Role.OPERATOR):
        return None
    return retry_chain(db.session(), current_person().account, run, now)


def _done(run: ScheduledTask, message: str) -> ResponseReturnValue:
    db.session.commit()
    flash(message, "success")
    return see_other(url_for(".run", id=run.id))
