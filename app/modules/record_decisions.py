"""The one form that gives several ticked records of a list another status; each kind declares its words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.nouns import plural_or_no
from app.business.errors import Invalid
from app.business.events import Origin
from app.business.planner.services.decision_undo import decided_at
from app.business.planner.services.record_changes import Kind, set_status
from app.business.planner.services.record_lists import RecordList
from app.infrastructure.database import db
from app.modules.access import current_person, seen_of
from app.modules.ask_first import ask_status, is_confirmed
from app.modules.forms import FilterForm
from app.modules.record_pages import back_to, chosen_ids
from app.modules.web import see_other

Move = Callable[[Session, list[int], str, Origin, datetime], Sequence[int]]


@dataclass(frozen=True)
class Decision:
    """What people may decide about the records of a list.

    asked: status -> the verb of its question and what it means · said: what became of the records.
    rows, filters: the list and the form of its filters · page: the endpoint of one record, where its own page decides
    too · move: where more follows than the status.
    reports_unmoved: whether it says how many could not be moved.
    """

    kind: Kind
    list: str
    rows: RecordList[Any]
    filters: type[FilterForm]
    choose: str
    asked: Mapping[str, tuple[str, str]]
    said: Mapping[str, str]
    page: str | None = None
    move: Move | None = None
    reports_unmoved: bool = True


def decide_page(decision: Decision) -> ResponseReturnValue:
    """Ask what follows, then move those of the ticked records that may be moved."""
    kind, status = decision.kind, request.form.get("status", "")
    ids = chosen_ids(decision.rows, decision.filters())
    if status not in decision.said:
        raise Invalid({"status": [decision.choose]})
    if not is_confirmed(ids):
        verb, means = decision.asked[status]
        return ask_status(kind, ids, status, verb, means, back_to(decision.list))
    now = datetime.now(UTC)
    moved = _moved(decision, seen_of(kind.model, ids), status, now)
    category = undoable(now)
    db.session.commit()
    left = len(ids) - len(moved) if decision.reports_unmoved else 0
    more = f" {left} were left as they are." if left else ""
    done = plural_or_no(len(moved), kind.name).capitalize()
    flash(f"{done} {decision.said[status]}.{more}", category if moved else "warning")
    if decision.page and request.form.get("from") == kind.name and len(ids) == 1:
        return see_other(url_for(decision.page, id=ids[0]))
    return see_other(back_to(decision.list))


def undoable(now: datetime) -> str:
    """The category of a message about the decision of this moment: with it the toast offers to take it back."""
    batches = decided_at(db.session(), current_person().origin, now)
    return f"success:{','.join(map(str, batches))}" if batches else "success"


def _moved(decision: Decision, ids: list[int], status: str, now: datetime) -> Sequence[int]:
    origin = current_person().origin
    if decision.move:
        return decision.move(db.session(), ids, status, origin, now)
    return set_status(db.session(), decision.kind, ids, status, origin, now)
