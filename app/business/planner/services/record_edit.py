"""Edits of any record by people and rules: texts, figures, labels, note, assignee, status."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.base import Assigned, ColumnValue, RowValues, Values
from app.business.errors import Invalid
from app.business.events import Origin
from app.business.planner.models import Record
from app.business.planner.services.plain_text import clean_body, clean_line
from app.business.planner.services.record_changes import Kind, require_move
from app.business.planner.services.record_versions import by_maker, differing, lock_version, write_changes

LABELS_LIMIT = 50

Cleaner = Callable[[Any, str], ColumnValue]
"""Takes a value and its field path; returns what is stored, or raises Invalid. Any: each knows what form and schema let
through for its field."""

Derive = Callable[[Values], Mapping[str, Assigned]]


def text_in(fields: Values, name: str) -> str:
    """The text that is sent for a field; empty where there is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def fill_record(session: Session, record: Record, fields: Values, cleaners: Mapping[str, Cleaner]) -> None:
    """Set the fields of a new record. Raises Invalid for one that is wrong or cannot be set."""
    set_fields(session, record, fields, cleaners)
    session.add(record)
    session.flush()


def set_fields(session: Session, record: Record, fields: Values, cleaners: Mapping[str, Cleaner]) -> None:
    """The same without writing the record. Raises Invalid."""
    for name, value in _cleaned(session, record, fields, cleaners).items():
        setattr(record, name, value)


def edit_record(
    session: Session,
    kind: Kind,
    record: Record,
    changes: Values,
    cleaners: Mapping[str, Cleaner],
    *,
    derived: Derive = lambda _values: {},
    seen: int | None = None,
    origin: Origin,
    now: datetime,
) -> Collection[str]:
    """Apply `changes` (only the fields to change) to one record; returns the columns that differ now.

    `cleaners` are the kind's own fields; labels, note, assignee (a person's id or None) and status belong to
    every kind. `derived`: columns that follow from the changed ones. `seen`: the version that the changes were
    made from; without it the last one wins, for these fields only. Raises Invalid for a field that cannot be
    edited, Conflict for an illegal status move, Stale.
    """
    lock_version(session, record, seen)
    sent = {name: value for name, value in changes.items() if name != "status"}
    values = differing(record, _cleaned(session, record, sent, cleaners))
    if values:
        maker = by_maker(type(record), origin.run_id)
        write_changes(session, record, {**values, **derived(values), **maker}, now)
    if "status" in changes:
        require_move(session, kind, record, text_in(changes, "status"), origin, now)
    return values


def _cleaned(session: Session, record: Record, fields: Values, cleaners: Mapping[str, Cleaner]) -> RowValues:
    """Column -> value."""
    return {
        "assignee_id" if name == "assignee" else name: _clean(session, record, name, value, cleaners)
        for name, value in fields.items()
    }


def line(*, limit: int = 255, required: bool = False) -> Cleaner:
    """A one-line text field."""
    return lambda value, path: clean_line(value or "", path, limit=limit, required=required)


def body(value: Any, path: str) -> str:
    """A text field of several lines."""
    return clean_body(value or "", path)


def as_given(value: ColumnValue, _path: str) -> ColumnValue:
    """A value that the form or schema has already checked."""
    return value


def clean_labels(labels: list[str], path: str = "labels") -> list[str]:
    """Labels without repeats, in their order. Raises Invalid for over 50, or over 64 characters."""
    clean = list(dict.fromkeys(clean_line(label, path, limit=64) for label in labels))
    if len(clean) > LABELS_LIMIT:
        raise Invalid({path: [f"At most {LABELS_LIMIT} labels are allowed."]})
    return clean


def person_id(session: Session, account_id: int, user_id: int | None) -> int | None:
    """The id when it is one of the account's people (None: nobody). Raises Invalid({"assignee": …})."""
    known = user_id is None or session.scalar(
        select(User.id).where(User.account_id == account_id, User.id == user_id)
    )
    if not known:
        raise Invalid({"assignee": [f"Person {user_id} was not found. Choose somebody of your team."]})
    return user_id


def _clean(
    session: Session, record: Record, name: str, value: Any, cleaners: Mapping[str, Cleaner]
) -> ColumnValue:
    if name in cleaners:
        return cleaners[name](value, name)
    if name == "labels":
        return clean_labels(value)
    if name == "note":
        return clean_body(value, name, limit=10_000)
    if name == "assignee":
        return person_id(session, record.account_id, value)
    raise Invalid({name: ["This field cannot be changed."]})
