"""One status for many records at once, as the lists of the console give it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from flask import Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.business.errors import Invalid
from app.business.events import Origin
from app.business.planner.services.record_changes import Kind, set_status
from app.infrastructure.database import db
from app.modules.access import current_person, require_seen
from app.modules.api.models import ApiModel
from app.modules.api.records import RowId, Text
from app.modules.api.resource import Schema, report, saved

MOST_AT_ONCE = 5_000
Move = Callable[[Session, list[int], str, Origin, datetime], Sequence[int]]


class StatusOfMany(Schema):
    """`ids`: of at least one record · `status`: what they all are to be."""

    ids: list[RowId] = Field(default_factory=list, max_length=MOST_AT_ONCE)
    status: Text = ""


class MovedRecordsShown(ApiModel):
    """Ids of the records that were moved, and of those left as they are: from there a person cannot move them."""

    moved: list[int]
    left: list[int]


def give_status(kind: Kind, asked: StatusOfMany, move: Move | None = None) -> Response:
    """Move those that may be moved, all or none of them if it fails. Raises NotFound, Invalid.

    move: where more follows than the status.
    """
    ids = list(dict.fromkeys(asked.ids))
    if not ids:
        raise Invalid({"ids": ["Send at least one id."]})
    require_seen(kind.model, ids)
    session, origin, now = db.session(), current_person().origin, datetime.now(UTC)
    if move:
        moved = move(session, ids, asked.status, origin, now)
    else:
        moved = set_status(session, kind, ids, asked.status, origin, now)
    done = set(moved)
    return saved(report(MovedRecordsShown(moved=list(moved), left=[id for id in ids if id not in done])))
