"""The records that a condition may count, for each record type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import aliased

from app.business.automation.services.catalogue.field_types import (
    COUNTED,
    OF_ACCOUNT,
    OF_SITE,
    RELATED,
    Entity,
    Frame,
    SqlValue,
    relation_key,
)
from app.business.automation.services.catalogue.fields import LinkUp, links_up, parent_of
from app.business.automation.services.catalogue.incoming_fields import INCOMING
from app.business.automation.services.catalogue.record_models import MODELS, RECORD_TYPES
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN
from app.business.planner.models import Record

Link = Callable[[Entity, type[Record], Frame], ColumnElement[bool]]
NOUNS = {name: f"{name}s" for name in RECORD_TYPES} | {"content": "content items"}


@dataclass(frozen=True)
class Relation:
    """Records of type `name` that a condition on a record may count; `link(entity, counted, frame)` is the join
    clause."""

    name: str
    label: str
    link: Link
    of: str = RELATED

    @property
    def key(self) -> str:
        """Key among the relations."""
        return relation_key(self.of, self.name)


def relations_of(record_type: str | None) -> Mapping[str, Relation]:
    """What conditions on this record type may count, by key; None: for rules without records."""
    return _RELATIONS[record_type]


def _all_of(name: str, of: str) -> Relation:
    """For rules without records: all in scope, or those of the site of the rule or its run."""

    def link(_row: Entity, counted: type[Record], frame: Frame) -> ColumnElement[bool]:
        found, site_id = frame.scope.selects(counted), frame.scope.split_site_id
        return found if site_id is None or of == OF_ACCOUNT else and_(found, counted.site_id == site_id)

    where = {OF_SITE: " of the site", OF_ACCOUNT: " of all sites that the rule sees"}.get(of, "")
    return Relation(name, f"{NOUNS[name]}{where}", link, of)


def _around(name: str, record_type: str, of: str) -> Relation:
    """Records of the same site or scope, related or not, except the record itself."""

    def link(row: Entity, counted: type[Record], frame: Frame) -> ColumnElement[bool]:
        found = frame.scope.selects(counted)
        found = and_(found, counted.site_id == row.site_id) if of == OF_SITE else found
        return and_(found, counted.id != row.id) if name == record_type else found

    other = "other " if name == record_type else ""
    where = "of the same site" if of == OF_SITE else "that the rule sees"
    return Relation(name, f"{other}{NOUNS[name]} {where}", link, of)


def _below(name: str, record_type: str) -> Relation:
    def link(row: Entity, counted: type[Record], frame: Frame) -> ColumnElement[bool]:
        return _belongs(name, counted, record_type, row.id, frame)

    return Relation(name, f"{NOUNS[name]} of this {record_type}", link)


def _beside(name: str, record_type: str) -> Relation:
    def link(row: Entity, counted: type[Record], frame: Frame) -> ColumnElement[bool]:
        same_cluster = _belongs(name, counted, "cluster", _cluster_of(record_type)(row, frame), frame)
        return same_cluster & (counted.id != row.id) if name == record_type else same_cluster

    other = "other " if name == record_type else ""
    return Relation(name, f"{other}{NOUNS[name]} of the same cluster", link)


def _cluster_of(record_type: str) -> LinkUp:
    return links_up(record_type)["cluster"]


def _belongs(
    name: str, row: Entity, ancestor: str, ancestor_id: SqlValue, frame: Frame
) -> ColumnElement[bool]:
    """Rows of type `name` in scope with that ancestor. Nested IN clauses let each level use its index."""
    above, column = parent_of(name) or ("", "")
    reference: SqlValue = getattr(row, column)
    if above == ancestor:
        return and_(reference == ancestor_id, frame.scope.holds(row))
    parent = aliased(MODELS[above])
    parents = select(parent.id).where(_belongs(above, parent, ancestor, ancestor_id, frame))
    return and_(reference.in_(parents.correlate_except(parent)), frame.scope.holds(row))


def _relations(record_type: str) -> dict[str, Relation]:
    below = [name for name in RECORD_TYPES if record_type in links_up(name)]
    beside = [name for name in RECORD_TYPES if name not in (*below, "cluster") and record_type != "cluster"]
    found = [_below(name, record_type) for name in below] + [_beside(name, record_type) for name in beside]
    found += [_around(name, record_type, of) for of in (OF_SITE, OF_ACCOUNT) for name in RECORD_TYPES]
    return {relation.key: relation for relation in found}


def _without_records() -> dict[str, Relation]:
    found = [_all_of(name, of) for of in COUNTED for name in RECORD_TYPES]
    return {relation.key: relation for relation in found}


_RELATIONS: dict[str | None, dict[str, Relation]] = {
    None: _without_records(),
    FINISHED_RUN: _without_records(),
    INCOMING: _without_records(),
    **{record_type: _relations(record_type) for record_type in RECORD_TYPES},
}
