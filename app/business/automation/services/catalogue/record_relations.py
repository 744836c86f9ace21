"""The records that a condition may count: for each record type, which others belong to one of its rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import aliased

from app.business.automation.services.catalogue.field_catalogue import (
    RECORD_TYPES,
    LinkUp,
    links_up,
    parent_of,
)
from app.business.automation.services.catalogue.field_types import Frame
from app.business.automation.services.catalogue.record_models import MODELS

Link = Callable[[Any, Any, Frame], ColumnElement[bool]]
NOUNS = {name: f"{name}s" for name in RECORD_TYPES} | {"content": "content items"}


@dataclass(frozen=True)
class Relation:
    """Records of type `name` that belong to a record. `link(entity, counted, frame)` says which."""

    name: str
    label: str
    link: Link


def relations_of(record_type: str | None) -> Mapping[str, Relation]:
    """What conditions on this record type may count; None: the account's records."""
    return _RELATIONS[record_type]


def _all_of(name: str) -> Relation:
    return Relation(name, NOUNS[name], lambda _row, counted, frame: frame.scope.selects(counted))


def _below(name: str, record_type: str) -> Relation:
    def link(row: Any, counted: Any, frame: Frame) -> ColumnElement[bool]:
        return _belongs(name, counted, record_type, row.id, frame)

    return Relation(name, f"{NOUNS[name]} of this {record_type}", link)


def _beside(name: str, record_type: str) -> Relation:
    def link(row: Any, counted: Any, frame: Frame) -> ColumnElement[bool]:
        same_cluster = _belongs(name, counted, "cluster", _cluster_of(record_type)(row, frame), frame)
        return same_cluster & (counted.id != row.id) if name == record_type else same_cluster

    other = "other " if name == record_type else ""
    return Relation(name, f"{other}{NOUNS[name]} of the same cluster", link)


def _cluster_of(record_type: str) -> LinkUp:
    return links_up(record_type)["cluster"]


def _belongs(name: str, row: Any, ancestor: str, ancestor_id: Any, frame: Frame) -> ColumnElement[bool]:
    """Rows of type `name` in scope below that ancestor. Goes down by IN, so that each level can use its index."""
    above, column = parent_of(name) or ("", "")
    reference: ColumnElement[Any] = getattr(row, column)
    if above == ancestor:
        return and_(reference == ancestor_id, frame.scope.holds(row))
    parent = aliased(MODELS[above])
    parents = select(parent.id).where(_belongs(above, parent, ancestor, ancestor_id, frame))
    return and_(reference.in_(parents.correlate_except(parent)), frame.scope.holds(row))


def _relations(record_type: str) -> dict[str, Relation]:
    below = [name for name in RECORD_TYPES if record_type in links_up(name)]
    beside = [name for name in RECORD_TYPES if name not in (*below, "cluster") and record_type != "cluster"]
    found = [_below(name, record_type) for name in below] + [_beside(name, record_type) for name in beside]
    return {relation.name: relation for relation in found}


_RELATIONS: dict[str | None, dict[str, Relation]] = {
    None: {name: _all_of(name) for name in RECORD_TYPES},
    **{record_type: _relations(record_type) for record_type in RECORD_TYPES},
}
