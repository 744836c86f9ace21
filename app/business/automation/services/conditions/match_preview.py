"""The number of records that conditions match at present, and the first of them: shown while a rule is edited."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import Frame
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.catalogue.record_order import OLDEST, check_order, order_clauses
from app.business.automation.services.conditions.nodes import (
    Leaf,
    Node,
    O,
    counts,
    field_names,
    walk,
)
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.rule_parts import Json
from app.business.planner.models import Record

SHOWN = 10
COUNTED_EXACTLY = 20_000
SAMPLE = 4_000
READ_ONCE = ("account.", "now.")
"""Prefixes of fields that have the same value for all records."""

COMPUTED = ("keyword_count", "idea_count", "total_volume", "content_count", "handled_at")
"""Fields without a column."""


@dataclass(frozen=True)
class Matches:
    """`count` of `total` records in scope match; `first` are the first of them in the rule's order, as (id, title).

    is_about: `count` is estimated from a sample, and `first` is taken from that sample.
    """

    record_type: str
    count: int
    total: int
    first: list[tuple[int, str]]
    is_about: bool = False


def preview_matches(
    session: Session,
    frame: Frame,
    *,
    record_type: str,
    conditions: Json,
    shown: int = SHOWN,
    counted_exactly: int | None = None,
    sample: int = SAMPLE,
    order: str = OLDEST,
) -> Matches:
    """Count the matching records, whether the rule has handled them or not. Raises Invalid.

    counted_exactly: with more records than this, conditions that read more than a record's own columns are evaluated
    for every k-th record only, about `sample` of them. None: all are counted, however long it takes.
    """
    model, scope = MODELS[record_type], frame.scope
    node = parse_conditions(conditions, record_type=record_type)
    check_order(order, record_type)
    first_of = order_clauses(order, record_type, model, frame)
    offered = in_scope(model, scope.account_id, scope.site_id, scope.sector_id)
    total = _count(session, model, offered)
    is_about = counted_exactly is not None and total > counted_exactly and _is_slow(node)
    step = -(-total // sample) if is_about else 1
    # The remainder comes first, so that the conditions are evaluated for few records.
    part: ColumnElement[bool] = model.id % step == 0 if is_about else true()
    clause = part & matching(node, record_type=record_type, scope=scope, now=frame.now, zone=frame.zone)
    rows = session.scalars(select(model).where(offered, clause).order_by(*first_of).limit(shown)).all()
    count = _count(session, model, offered, clause) if len(rows) == shown else len(rows)
    first = [(row.id, title_of(row)) for row in rows]
    return Matches(record_type, min(count * step, total), total, first, is_about)


def title_of(record: Record) -> str:
    """The title, name or text of a record."""
    return str(next(getattr(record, name) for name in ("title", "name", "text") if hasattr(record, name)))


def _is_slow(node: Node) -> bool:
    """Whether it reads other rows for each record, or splits texts into words."""
    names = [name for name in field_names(node) if not name.startswith(READ_ONCE)]
    elsewhere = any("." in name or name in COMPUTED for name in names)
    words = any(isinstance(leaf, Leaf) and leaf.operator is O.HAS_WORD for leaf in walk(node))
    return bool(counts(node)) or elsewhere or words


def _count(session: Session, model: type[Record], *clauses: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*clauses)) or 0
