"""Work for a person: articles to check one after another, questions of runs, tasks due, failed runs, and changes of
rules to decide on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import joinedload

from app.business.accounts.models import Role, User
from app.business.accounts.services.notices import unread_notices
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.nouns import plural, plural_or_no
from app.business.automation.services.history.run_attention import failed_since, notices_seen
from app.business.automation.services.history.work import (
    CHECKS,
    TO_CHECK,
    WorkCounts,
    asking_runs,
    due_tasks,
    work_counts,
)
from app.business.automation.services.rule_changes.listing import changes_to_decide
from app.business.database_faults import is_passing
from app.business.errors import Conflict, Invalid
from app.business.periods import last_days
from app.business.planner.services.decision_undo import take_back as take_back_decisions
from app.business.planner.services.record_changes import CLUSTER, IDEA, KEYWORD, Kind
from app.business.writer.models import Content, ContentStatus, Task
from app.business.writer.services.content_edit import update_content
from app.business.writer.services.record_kinds import CONTENT, TASK
from app.infrastructure.database import db, reading_aside
from app.modules.access import allow, current_person, own_path
from app.modules.article_notes import tell_writer, with_note
from app.modules.ask_first import ask, is_confirmed
from app.modules.display import viewer_zone
from app.modules.gate.numbers import row_id
from app.modules.record_decisions import undoable
from app.modules.record_pages import IDS_MOST, ticked_ids
from app.modules.web import Context, framing, see_other

SHOWN = 50
WEEK = 7
SOON = timedelta(days=3)
LISTS = {
    "check": "To check",
    "changes": "Rule changes",
    "asked": "Questions",
    "due": "Tasks due",
    "failed": "Failed runs",
}
KINDS: dict[str, Kind] = {kind.name: kind for kind in (KEYWORD, CLUSTER, IDEA, TASK, CONTENT)}
VERBS = {"approve": "Approve", "send_back": "Send back", "assign": "Give away"}
BRIEFS_APPROVED = "A brief is a plan of an article: it is not published until somebody has written it out."
SAID = {"approve": "approved", "send_back": "sent back with your note", "assign": "given away"}


def awaiting() -> WorkCounts:
    """What awaits the person now; asked once for a page. Of those without work only notices count."""
    if "awaiting" not in g:
        session, person, now = db.session(), current_person(), datetime.now(UTC)
        since = last_days(WEEK, person.account.timezone, now).start
        if person.can(Role.OPERATOR):
            g.awaiting = work_counts(
                session, person.user, person.scope, _today(now) + SOON, since, decides=_decides()
            )
        else:
            unread = unread_notices(session, person.user, seen=notices_seen(person.scope))
            g.awaiting = WorkCounts(0, 0, 0, 0, unread)
    counts: WorkCounts = g.awaiting
    return counts


def awaiting_in_bar() -> WorkCounts:
    """As `awaiting`, but none while somebody keeps a table locked: pages about other things can be read meanwhile."""
    if "awaiting" in g:
        return awaiting()
    try:
        with reading_aside(db.session()):
            return awaiting()
    except DBAPIError as error:
        if not is_passing(error):
            raise
        g.awaiting = WorkCounts(0, 0, 0, 0, 0)
        return awaiting()


@allow(Role.OPERATOR)
def show() -> ResponseReturnValue:
    """One of the lists; of articles to check also the one that is open."""
    now, counts = datetime.now(UTC), awaiting()
    shown = request.args.get("list", "")
    lists = {name: title for name, title in LISTS.items() if name != "changes" or _decides()}
    if shown not in lists:
        shown = next((name for name in lists if getattr(counts, name)), "check")
    read = {"check": _checks, "changes": _rule_changes, "asked": _asked, "due": _due, "failed": _failed}
    found = read[shown](now)
    tabs = [(title, url_for(".my_work", list=name), getattr(counts, name)) for name, title in lists.items()]
    page = render_template(
        "pages/automation/my_work.html", shown=shown, tabs=tabs, counts=counts, today=_today(now), **found
    )
    return framing(page) if shown == "check" else page


@allow(Role.OPERATOR)
def decide() -> ResponseReturnValue:
    """Approve articles, send them back with a note, or give them to somebody; then open the next one."""
    action, now = request.form.get("action", ""), datetime.now(UTC)
    if action not in SAID:
        raise Invalid({"action": ["Choose whether to approve, to send back or to give away."]})
    ids = _chosen()
    if not is_confirmed(ids):
        return _ask(action, ids)
    contents = _held(ids)
    done, left = _carry_out(action, contents, now)
    category = undoable(now)
    plans = action == "approve" and done and all(content.outline for content in contents)
    db.session.commit()
    stay = f" {left[0]}" if left else ""
    more = f" {len(left):,} were left as they are.{stay}" if len(left) > 1 else stay
    said = f"{plural_or_no(done, 'content').capitalize()} {SAID[action]}.{more}"
    flash(f"{said} {BRIEFS_APPROVED}" if plans else said, category if done else "warning")
    return see_other(_address(row_id(request.form.get("next", ""))))


@allow(Role.OPERATOR)
def take_back() -> ResponseReturnValue:
    """Undo the decision that a message was about."""
    batches = [key for text in request.form.get("batches", "").split(",") if (key := row_id(text))]
    back, left = take_back_decisions(
        db.session(), KINDS, batches[:10], current_person().scope, current_person().origin, datetime.now(UTC)
    )
    db.session.commit()
    kept = f" {left:,} stay: their status was changed since, or cannot be given back by hand." if left else ""
    said = f"{plural(back, None)} as before." if back else "Nothing was taken back."
    flash(f"{said}{kept}", "success" if back else "warning")
    return see_other(own_path(_referring_path()))


def _checks(_now: datetime) -> Context:
    person, session = current_person(), db.session()
    page = CHECKS.page(
        session, person.scope, {"awaiting": person.user.id}, cursor=request.args.get("cursor"), limit=SHOWN
    )
    number = row_id(request.args.get("item", ""))
    opened = next((row for row in page.rows if row.id == number), None)
    if opened is None and number:
        opened = session.scalar(
            select(Content).where(
                Content.id == number, person.scope.sees(Content), Content.status.in_(TO_CHECK)
            )
        )
    opened = opened or (page.rows[0] if page.rows else None)
    places = [row.id for row in page.rows]
    at = places.index(opened.id) if opened and opened.id in places else -1
    return {
        "contents": page.rows,
        "opened": opened,
        "before": places[at - 1] if at > 0 else None,
        "after": places[at + 1] if at + 1 < len(places) else None,
        "next_url": url_for(".my_work", list="check", cursor=page.next_cursor) if page.next_cursor else None,
        "first_url": url_for(".my_work", list="check") if "cursor" in request.args else None,
        "people": _people(),
    }


def _decides() -> bool:
    """Whether changes of rules wait for people like this one."""
    person = current_person()
    return person.account.rule_approval_required and person.can(Role.EDITOR)


def _rule_changes(_now: datetime) -> Context:
    person, session = current_person(), db.session()
    return {"changes": changes_to_decide(session, person.scope, person.user.id, SHOWN)}


def _asked(_now: datetime) -> Context:
    """Runs that wait for an answer, the one first whose time is over first."""
    run = ScheduledTask
    waiting = select(run).where(current_person().scope.sees(run), asking_runs())
    return {"asking": db.session.scalars(waiting.order_by(run.not_before, run.id).limit(SHOWN)).all()}


def _due(now: datetime) -> Context:
    person = current_person()
    due = select(Task).where(person.scope.sees(Task), due_tasks(person.user.id, _today(now) + SOON))
    soonest = due.options(joinedload(Task.site)).order_by(Task.due_on, Task.id).limit(SHOWN)
    return {"tasks": db.session.scalars(soonest).all()}


def _failed(now: datetime) -> Context:
    person = current_person()
    since = last_days(WEEK, person.account.timezone, now).start
    return {"failures": failed_since(db.session(), person.scope, since, SHOWN)}


def _chosen() -> list[int]:
    """The ticked articles, or all that await the person."""
    if request.form.get("all") != "1":
        return ticked_ids()
    person = current_person()
    return CHECKS.ids(db.session(), person.scope, {"awaiting": person.user.id}, IDS_MOST)


def _ask(action: str, ids: Sequence[int]) -> ResponseReturnValue:
    what, verb = plural(len(ids), "content"), VERBS[action]
    means = {
        "approve": "Approved articles may be published, by rules too. Briefs among them are approved as plans.",
        "send_back": "They are “To check” again, with your note above earlier ones.",
        "assign": "They leave your list and wait in that person's.",
    }
    lines = [
        means[action],
        "You can take approvals back in the message that follows." if action == "approve" else "",
    ]
    return ask(f"{verb} {what}?", lines, f"{verb} {what}", _address(None))


def _held(ids: Sequence[int]) -> list[Content]:
    scope = current_person().scope
    query = select(Content).where(scope.sees(Content), Content.id.in_(ids), Content.status.in_(TO_CHECK))
    return list(db.session.scalars(query.order_by(Content.id)))


def _carry_out(action: str, contents: Sequence[Content], now: datetime) -> tuple[int, list[str]]:
    """How many it was done to, and why not to the others."""
    note, left, done = request.form.get("note", "").strip(), [], 0
    person_id = row_id(request.form.get("assignee", "")) if action != "approve" else None
    if action == "send_back" and not note:
        raise Invalid({"note": ["Say what should change, so that whoever writes it knows."]})
    if action == "assign" and person_id is None:
        raise Invalid({"assignee": ["Choose somebody of your team."]})
    for content in contents:
        changes: dict[str, Any] = dict(with_note(content, note, now))
        changes |= {"assignee": person_id} if person_id else {}
        status = {"approve": ContentStatus.APPROVED, "send_back": ContentStatus.DRAFT}.get(action)
        if status and status != content.status:
            changes["status"] = status
        try:
            update_content(db.session(), content, changes, origin=current_person().origin, now=now)
            tell_writer(content, status, note, now)
            done += 1
        except Conflict as refusal:
            left.append(refusal.message)
    return done, left


def _people() -> list[tuple[int, str]]:
    """Those to whom an article can be given."""
    query = select(User.id, User.name, User.email).where(
        User.account_id == current_person().account.id, User.is_active
    )
    return [
        (key, name or email) for key, name, email in db.session.execute(query.order_by(User.name, User.id))
    ]


def _address(item: int | None) -> str:
    here = url_for(".my_work", list="check")
    return f"{here}&{urlencode({'item': item})}" if item else here


def _referring_path() -> str | None:
    """The page on which the button was pressed."""
    _, _, rest = (request.referrer or "").partition("://")
    _, slash, path = rest.partition("/")
    return f"{slash}{path}" or None


def _today(now: datetime) -> date:
    return now.astimezone(viewer_zone()).date()
