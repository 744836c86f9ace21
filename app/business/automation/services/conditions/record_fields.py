"""Loads the field values that conditions read, in few queries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session, aliased

from app.business.automation.services.catalogue.field_types import (
    RELATED,
    Entity,
    Field,
    FieldValue,
    Frame,
    RuleScope,
)
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, table_of
from app.business.automation.services.catalogue.record_relations import Relation, relations_of
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import Count, Node, counts, field_names
from app.business.automation.services.conditions.query import numbers

CHUNK = 1000


def load_facts(
    session: Session,
    record_type: str | None,
    ids: Sequence[int],
    *,
    scope: RuleScope,
    now: datetime,
    zone: tzinfo,
    rule_id: int | None = None,
    conditions: Iterable[Node] | None = None,
) -> dict[int, Facts]:
    """Facts of the account's records with those ids (without a record type: of the account, by its id).

    scope: the account of the records, and which other records may be read. conditions: read only the fields they need;
    None reads all fields. One query for each thousand records, and one more for each kind of related records. rule_id:
    the rule that `handled_at` refers to.
    """
    frame = Frame(scope, now, zone, rule_id)
    asked = list(conditions) if conditions is not None else None
    found: dict[int, Facts] = {}
    for start in range(0, len(ids), CHUNK):
        found |= _load(session, record_type, list(ids[start : start + CHUNK]), frame, asked)
    return found


def load_rows(
    session: Session,
    record_type: str | None,
    ids: Sequence[int],
    names: set[str],
    *,
    scope: RuleScope,
    now: datetime,
    zone: tzinfo,
    rule_id: int | None = None,
) -> dict[int, dict[str, FieldValue]]:
    """The named fields of the records that exist, by id; one query for each thousand."""
    entity = table_of(record_type)
    frame = Frame(scope, now, zone, rule_id)
    fields = _fields(record_type, names)
    mine = (entity.account_id if record_type else entity.id) == scope.account_id
    query = select(entity.id, *(field.of(entity, frame) for field in fields)).where(mine)
    found: dict[int, dict[str, FieldValue]] = {}
    for start in range(0, len(ids) if fields else 0, CHUNK):
        for row in session.execute(query.where(entity.id.in_(ids[start : start + CHUNK]))):
            found[row[0]] = {field.name: value for field, value in zip(fields, row[1:], strict=True)}
    return found


def _load(
    session: Session, record_type: str | None, ids: list[int], frame: Frame, asked: list[Node] | None
) -> dict[int, Facts]:
    entity = table_of(record_type)
    mine = [entity.id.in_(ids)]
    mine.append(entity.account_id == frame.account_id if record_type else entity.id == frame.account_id)
    fields = _fields(record_type, None if asked is None else set().union(*map(field_names, asked)))
    query = select(entity.id, *(field.of(entity, frame) for field in fields)).where(*mine)
    facts = {row[0]: _facts(fields, row[1:], frame) for row in session.execute(query)}
    for relation, inner in _counted(record_type, asked):
        for owner, related in _related(session, entity, mine, relation, inner, frame):
            facts[owner].counted.setdefault(relation.name, []).append(related)
    for subject, query in _numbers(record_type, entity, asked or [], frame):
        for owner, number in session.execute(query.where(*mine)):
            facts[owner].numbers[subject] = number
    return facts


def _numbers(
    record_type: str | None, entity: Entity, asked: list[Node], frame: Frame
) -> Iterator[tuple[str, Select[int, int]]]:
    """Counts of unrelated records: the database counts them, because there may be very many."""
    found = {count.subject: count for node in asked for count in counts(node)}
    found = {key: count for key, count in found.items() if not _is_read(count, record_type)}
    for subject, count in found.items():
        yield subject, numbers(count, record_type=record_type, entity=entity, frame=frame)


def _related(
    session: Session,
    entity: Entity,
    mine: list[ColumnElement[bool]],
    relation: Relation,
    fields: list[Field],
    frame: Frame,
) -> Iterator[tuple[int, Facts]]:
    counted = aliased(MODELS[relation.name])
    values = (field.of(counted, frame) for field in fields)
    query = select(entity.id, *values).join_from(entity, counted, relation.link(entity, counted, frame))
    for row in session.execute(query.where(*mine)):
        yield row[0], _facts(fields, row[1:], frame)


def _fields(record_type: str | None, names: set[str] | None) -> list[Field]:
    known = fields_of(record_type)
    return [field for name, field in known.items() if names is None or name in names]


def _counted(record_type: str | None, asked: list[Node] | None) -> list[tuple[Relation, list[Field]]]:
    relations: Mapping[str, Relation] = relations_of(record_type)
    if asked is None:
        related = [relation for relation in relations.values() if relation.of == RELATED]
        return [(relation, _fields(relation.name, None)) for relation in related]
    names: dict[str, set[str]] = {}
    for count in (count for node in asked for count in counts(node) if _is_read(count, record_type)):
        names.setdefault(count.relation, set()).update(field_names(count.where))
    return [(relations[name], _fields(name, inner)) for name, inner in names.items()]


def _is_read(count: Count, record_type: str | None) -> bool:
    """Whether the counted records belong to one record: these are few, so their rows are loaded."""
    return count.of == RELATED and record_type in MODELS


def _facts(fields: list[Field], values: Sequence[FieldValue], frame: Frame) -> Facts:
    pairs = {field.name: value for field, value in zip(fields, values, strict=True)}
    return Facts(pairs, now=frame.now, today=frame.local_now.date())
