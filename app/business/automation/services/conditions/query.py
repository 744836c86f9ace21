"""Compiles conditions to a WHERE clause, with the same results as `condition_evaluator`.

Every leaf is true or false, never NULL, so `not` needs no special case. Comparisons use bare columns, so that indexes
are used; texts compare by code point (collation C), parts of texts by position, never by LIKE.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    Double,
    Select,
    String,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.business.automation.services.catalogue.field_types import (
    OF_ACCOUNT,
    RELATED,
    Entity,
    FieldType,
    Frame,
    RuleScope,
    SqlValue,
)
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, table_of
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.conditions.nodes import (
    NEGATED,
    Count,
    Leaf,
    Node,
    O,
    Operand,
    Operator,
    record_names,
)
from app.business.automation.services.conditions.operators import RELATIONS
from app.business.automation.services.conditions.sql_functions import (
    members,
    size,
    words_of,
)
from app.business.base import UtcDateTime
from app.business.folding import fold
from app.business.planner.models import Record
from app.business.sql_functions import position

Clause = ColumnElement[bool]
Side = SqlValue


def matching(
    node: Node,
    *,
    record_type: str | None,
    scope: RuleScope,
    now: datetime,
    zone: tzinfo,
    rule_id: int | None = None,
) -> Clause:
    """The clause for a select over the record's table (without a record type: over `account`).

    scope: which other records the conditions read; the caller restricts the records themselves to it. rule_id: the rule
    that `handled_at` refers to.
    """
    entity = table_of(record_type)
    return _Selection(record_type, entity, Frame(scope, now, zone, rule_id)).clause(node)


class _Selection:
    """Compiles a tree for one table."""

    def __init__(
        self, record_type: str | None, entity: Entity, frame: Frame, outside: "_Selection | None" = None
    ) -> None:
        self.record_type, self.entity, self.frame, self.outside = record_type, entity, frame, outside

    def clause(self, node: Node) -> Clause:
        if isinstance(node, Leaf):
            return self.leaf(node)
        if isinstance(node, Count):
            return self.count(node)
        clauses = [self.clause(child) for child in node.children]
        if node.kind == "not":
            return not_(clauses[0])
        return and_(true(), *clauses) if node.kind == "all" else or_(false(), *clauses)

    def side(self, name: str, leaf: Leaf) -> Side:
        return fields_of(self.record_type)[name].side(self.entity, self.frame, ignore_case=leaf.ignore_case)

    def leaf(self, leaf: Leaf) -> Clause:
        if leaf.operator in NEGATED:
            return not_(self.asked(leaf, NEGATED[leaf.operator]))
        return self.asked(leaf, leaf.operator)

    def asked(self, leaf: Leaf, operator: Operator) -> Clause:
        column = self.side(leaf.field, leaf)
        if operator is O.IS_EMPTY:
            return _is_empty(column, leaf)
        if isinstance(leaf.operand, timedelta):
            return self.age(column, leaf, operator, leaf.operand)
        if leaf.type is FieldType.LIST:
            return _has_member(column, self.operand(leaf))
        if operator is O.IN:
            return self.one_of(column, leaf)
        return self.compared(column, leaf, operator)

    def compared(self, column: Side, leaf: Leaf, operator: Operator) -> Clause:
        if operator is O.BETWEEN:
            low, high = (_literal(value, leaf) for value in leaf.options)
            return _certain(column.between(low, high), column)
        if operator is O.EQ and leaf.operand is None and leaf.other is None:
            return column.is_(None)
        return _compared(operator, column, self.operand(leaf))

    def operand(self, leaf: Leaf) -> Side:
        return self.other(leaf) if leaf.other else _literal(leaf.operand, leaf)

    def other(self, leaf: Leaf) -> Side:
        whose = self.outside if leaf.of_record and self.outside else self
        return whose.side(str(leaf.other), leaf)

    def one_of(self, column: Side, leaf: Leaf) -> Clause:
        if leaf.other:
            return _has_member(self.other(leaf), column)
        values = [_literal(value, leaf) for value in leaf.options if value is not None]
        found = _certain(column.in_(values), column) if values else false()
        return or_(found, column.is_(None)) if None in leaf.options else found

    def age(self, column: Side, leaf: Leaf, operator: Operator, age: timedelta) -> Clause:
        frame = self.frame
        now = frame.local_now.date() if leaf.type is FieldType.DAY else frame.now
        since = _literal(now - age, leaf)
        if operator is O.NEWER_THAN:
            return _certain(column > since, column)
        older = _certain(column < since, column)
        return or_(older, column.is_(None)) if operator is O.NOT_HANDLED_WITHIN else older

    def count(self, node: Count) -> Clause:
        if not self.is_alike(node):
            return _holds(node, self.number(node))
        if node.relation != self.record_type:
            return self.place_holds(node)
        itself = self.itself(node)
        return or_(and_(itself, self.place_holds(node, 1)), and_(not_(itself), self.place_holds(node)))

    def is_alike(self, node: Count) -> bool:
        """Whether the count is the same for all records of a site or scope, except that none counts itself."""
        return self.record_type in MODELS and node.of != RELATED and not record_names(node.where)

    def itself(self, node: Count) -> Clause:
        """Whether the record is itself one of those that are counted."""
        return _Selection(self.record_type, self.entity, self.frame).clause(node.where)

    def number(self, node: Count) -> Side:
        """The number, by a subquery for each record."""
        counted, inner = self.counted(node)
        link = relations_of(self.record_type)[node.key].link
        query = select(func.count()).select_from(counted).where(link(self.entity, counted, self.frame), inner)
        return query.correlate_except(counted).scalar_subquery()

    def counted(self, node: Count) -> tuple[type[Record], Clause]:
        entity = aliased(MODELS[node.relation])
        return entity, _Selection(node.relation, entity, self.frame, self).clause(node.where)

    def all_in_scope(self, node: Count) -> Side:
        """The number in the whole scope, by one subquery."""
        counted, inner = self.counted(node)
        query = select(func.count()).select_from(counted).where(self.frame.scope.selects(counted), inner)
        return query.correlate_except(counted).scalar_subquery()

    def by_site(self, node: Count) -> Select[int, int]:
        """The number for each site in scope that has any."""
        counted, inner = self.counted(node)
        query = select(counted.site_id, func.count().label("number"))
        return query.where(self.frame.scope.selects(counted), inner).group_by(counted.site_id)

    def place_holds(self, node: Count, less: int = 0) -> Clause:
        """Whether the number for the record's site or scope, minus `less`, satisfies the comparison.

        One count for all records.
        """
        if node.of == OF_ACCOUNT:
            return _holds(node, self.all_in_scope(node) - less)
        holds, sites = _holds(node, func.count() - less), self.by_site(node)
        site_id: Side = self.entity.site_id
        if less == 0 and RELATIONS[node.operator](0, node.value):
            # Sites without counted records have no row here.
            return site_id.not_in(sites.having(not_(holds)).with_only_columns(sites.selected_columns[0]))
        return site_id.in_(sites.having(holds).with_only_columns(sites.selected_columns[0]))


def numbers(node: Count, *, record_type: str | None, entity: Entity, frame: Frame) -> Select[int, int]:
    """Query of (record id, number); the caller restricts the records."""
    chosen = _Selection(record_type, entity, frame)
    if not chosen.is_alike(node):
        return select(entity.id, chosen.number(node))
    less = case((chosen.itself(node), 1), else_=0) if node.relation == record_type else literal(0)
    if node.of == OF_ACCOUNT:
        return select(entity.id, chosen.all_in_scope(node) - less)
    sites = chosen.by_site(node).subquery()
    query = select(entity.id, func.coalesce(sites.c.number, 0) - less).select_from(entity)
    return query.outerjoin(sites, sites.c.site_id == entity.site_id)


def _holds(node: Count, number: Side) -> Clause:
    if node.operator is O.BETWEEN:
        low, high = node.ends
        return number.between(_number(low), _number(high))
    return _COMPARISONS[node.operator](number, _number(node.ends[0]))


def _compared(operator: Operator, left: Side, right: Side) -> Clause:
    if operator in _COMPARISONS:
        if operator is O.EQ and not _is_literal(right):
            return left.is_not_distinct_from(right)
        return _certain(_COMPARISONS[operator](left, right), left, right)
    return func.coalesce(_TEXT_QUESTIONS[operator](left, right), false())


_COMPARISONS: dict[Operator, Callable[[Side, Side], Clause]] = {
    O.EQ: lambda left, right: left == right,
    O.NE: lambda left, right: left != right,
    O.GT: lambda left, right: left > right,
    O.GTE: lambda left, right: left >= right,
    O.LT: lambda left, right: left < right,
    O.LTE: lambda left, right: left <= right,
}


def _contains(text: Side, part: Side) -> Clause:
    return position(text, part) > 0


def _starts_with(text: Side, part: Side) -> Clause:
    return func.substr(text, 1, func.length(part)) == part


def _ends_with(text: Side, part: Side) -> Clause:
    end = func.substr(text, func.length(text) - func.length(part) + 1)
    return and_(func.length(text) >= func.length(part), end == part)


def _has_word(text: Side, phrase: Side) -> Clause:
    space, wanted = literal(" "), words_of(phrase)
    found = position(space + words_of(text) + space, space + wanted + space) > 0
    return and_(wanted != "", found)


_TEXT_QUESTIONS: dict[Operator, Callable[[Side, Side], Clause]] = {
    O.CONTAINS: _contains,
    O.STARTS_WITH: _starts_with,
    O.ENDS_WITH: _ends_with,
    O.HAS_WORD: _has_word,
}


def _is_empty(column: Side, leaf: Leaf) -> Clause:
    if leaf.type is FieldType.LIST:
        return func.coalesce(size(column), 0) == 0
    if leaf.type in (FieldType.TEXT, FieldType.CHOICE):
        return or_(column.is_(None), _certain(column == "", column))
    return column.is_(None)


def _has_member(texts: Side, wanted: Side) -> Clause:
    member = members(texts).table_valued("value")
    return select(literal(1)).select_from(member).where(member.c.value == wanted).exists()


def _certain(clause: Clause, *sides: Side) -> Clause:
    """`clause`, but false instead of NULL. Bare columns stay bare, so that their index is used."""
    unsure = [side for side in sides if not _is_literal(side)]
    if all(isinstance(side, InstrumentedAttribute) for side in unsure):
        return and_(clause, *(side.is_not(None) for side in unsure))
    return func.coalesce(clause, false())


def _is_literal(side: Side) -> bool:
    return getattr(side, "__visit_name__", "") == "bindparam"


def _number(value: float) -> Side:
    return literal(value, BigInteger() if isinstance(value, int) else Double())


def _literal(value: Operand, leaf: Leaf) -> Side:
    if leaf.ignore_case and isinstance(value, str):
        value = fold(value)
    if isinstance(value, bool):
        return literal(value, Boolean())
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return literal(value, UtcDateTime())
    return literal(value, Date()) if isinstance(value, date) else literal(value, String())
