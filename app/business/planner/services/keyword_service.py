"""Keywords: create one, edit. Imports of many are in `keyword_import.py`."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import RowValues, Values
from app.business.errors import Conflict, Invalid
from app.business.events import EventType, Origin
from app.business.folding import fold
from app.business.planner.models import Intent, Keyword, KeywordStatus, Sector
from app.business.planner.services.keyword_cells import MAIN_FIRST
from app.business.planner.services.plain_text import clean_line, keyword_text
from app.business.planner.services.record_changes import KEYWORD, Placed, new_record, report
from app.business.planner.services.record_edit import (
    Cleaner,
    clean_labels,
    edit_record,
    line,
    person_id,
    text_in,
)
from app.business.upsert import inserting

LARGEST = 2_147_483_647
FEATURES_LIMIT = 50


class NewKeyword(NamedTuple):
    """A new row: its id and place."""

    id: int
    site_id: int
    sector_id: int


def add_keyword(
    session: Session, sector: Sector, fields: Values, *, origin: Origin, now: datetime
) -> Keyword:
    """One new keyword with its keyword_added event.

    `fields`: text, and any of the figures, labels, note, assignee.
    Raises Invalid, or Conflict when the site has it.
    """
    row = _row(session, sector, fields, origin, now)
    added = insert_keywords(session, [row])
    if not added:
        raise Conflict(f"This site already has the keyword “{_known_text(session, row)}”.")
    report(session, EventType.KEYWORD_ADDED, KEYWORD, added, origin, now)
    return session.get_one(Keyword, added[0].id)


def add_keywords(
    session: Session,
    keywords: Sequence[tuple[Sector, Values]],
    *,
    origin: Origin,
    now: datetime,
) -> Sequence[Keyword]:
    """Those of the keywords (with their sectors) that their sites do not have, with the events of one batch.

    Raises Invalid with the place in the list before each field: `3.text`.
    """
    rows = []
    for index, (sector, fields) in enumerate(keywords):
        try:
            rows.append(_row(session, sector, fields, origin, now))
        except Invalid as refusal:
            raise at_index(index, refusal) from None
    added = insert_keywords(session, rows)
    if added:
        report(session, EventType.KEYWORD_ADDED, KEYWORD, added, origin, now)
    ids = [row.id for row in added]
    return session.scalars(select(Keyword).where(Keyword.id.in_(ids)).order_by(Keyword.id)).all()


def at_index(index: int, refusal: Invalid) -> Invalid:
    """The refusal of one item of a list."""
    return Invalid({f"{index}.{field}": sentences for field, sentences in refusal.errors.items()})


def _row(
    session: Session, sector: Sector, fields: Mapping[str, Any], origin: Origin, now: datetime
) -> RowValues:
    text = keyword_text(text_in(fields, "text"), language=sector.site.language)
    extra = {name: value for name, value in fields.items() if name != "text"}
    note, labels, assignee = (extra.pop(name, None) for name in ("note", "labels", "assignee"))
    return new_keyword(sector, text, clean_figures(extra), origin, now) | {
        "labels": clean_labels(labels or []),
        "note": line(limit=10_000)(note, "note"),
        "assignee_id": person_id(session, sector.account_id, assignee),
    }


def update_keyword(
    session: Session,
    keyword: Keyword,
    changes: Values,
    *,
    seen: int | None = None,
    origin: Origin,
    now: datetime,
) -> Keyword:
    """Change the given fields only: figures, labels, note, assignee, status. Raises Invalid, Conflict, Stale."""
    edit_record(session, KEYWORD, keyword, changes, FIGURES, seen=seen, origin=origin, now=now)
    return keyword


def new_keyword(place: Placed, text: str, figures: Values, origin: Origin, now: datetime) -> RowValues:
    """The values of a keyword row; every figure has a value, so that many rows insert as one statement."""
    empty = {name: _EMPTY[name]() if name in _EMPTY else None for name in FIGURES}
    return (
        new_record(place, KeywordStatus.NEW, origin, now)
        | {"text": text, "assignee_id": None}
        | empty
        | dict(figures)
    )


def insert_keywords(session: Session, rows: Sequence[RowValues]) -> list[NewKeyword]:
    """Insert those that the site does not have in any letter case; returns id, site_id, sector_id of each new row."""
    if not rows:
        return []
    returned = (
        inserting(session, Keyword)
        .on_conflict_do_nothing()
        .returning(Keyword.id, Keyword.site_id, Keyword.sector_id)
    )
    return sorted(NewKeyword(*row) for row in session.execute(returned, list(rows)))


def _known_text(session: Session, row: Values) -> str:
    same = Keyword.site_id == row["site_id"], Keyword.text_folded == fold(text_in(row, "text"))
    return session.scalar(select(Keyword.text).where(*same).limit(1)) or text_in(row, "text")


def clean_figures(fields: Values) -> RowValues:
    """Figures checked one by one. Raises Invalid({field: …})."""
    unknown = next((name for name in fields if name not in FIGURES), None)
    if unknown:
        raise Invalid({unknown: ["A keyword has no such field."]})
    return {name: FIGURES[name](value, name) for name, value in fields.items()}


def _number(highest: float = LARGEST) -> Cleaner:
    def clean(value: float | None, path: str) -> float | None:
        if value is not None and not (math.isfinite(value) and 0 <= value <= highest):
            raise Invalid({path: [f"Type a number from 0 to {highest:,}, or leave it empty."]})
        return value

    return clean


def _intent(value: str | None, path: str) -> str | None:
    if value and value not in list(Intent):
        raise Invalid({path: [f"Choose one of: {', '.join(Intent)}."]})
    return value or None


def _intents(value: Sequence[str], path: str) -> list[str]:
    found = [_intent(intent, path) for intent in value]
    return [intent for intent in MAIN_FIRST if intent in found]


def _features(value: Sequence[str], path: str) -> list[str]:
    if len(value) > FEATURES_LIMIT:
        raise Invalid({path: [f"Use at most {FEATURES_LIMIT} of them."]})
    cleaned = (clean_line(feature, path, limit=64, required=False) for feature in value)
    return list(dict.fromkeys(filter(None, cleaned)))


FIGURES: dict[str, Cleaner] = {
    "volume": _number(),
    "difficulty": _number(100),
    "cpc": _number(),
    "intent": _intent,
    "country": line(limit=64),
    "language": line(limit=64),
    "position": _number(),
    "clicks": _number(),
    "impressions": _number(),
    "url": line(limit=2000),
    "intents": _intents,
    "parent_keyword": line(),
    "traffic_potential": _number(),
    "serp_features": _features,
    "match_type": line(limit=64),
}
"""The figures of a keyword, each with its check."""

_EMPTY: dict[str, Callable[[], str | list[str]]] = {
    **dict.fromkeys(("country", "language", "url", "parent_keyword", "match_type"), str),
    **dict.fromkeys(("intents", "serp_features"), list),
}
"""Figures that are never null: what makes their empty value."""
