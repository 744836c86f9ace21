"""Lists of rules with filters, and their versions."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Select, bindparam, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.accounts.models import User
from app.business.accounts.services.scope import LARGEST_ID, Scope
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.known_rules import LISTED, ListedRule, listed_rules
from app.business.base import Id
from app.business.errors import NotFound
from app.business.folding import fold
from app.business.kept_queries import kept_queries
from app.business.paging import Order, Page, count_of, keyset_page, page_of, sorted_page
from app.business.plain_rows import AnyColumns, Columns
from app.business.ready_statements import Values
from app.business.sql_functions import position

KEPT = 32
"""Lists for which a process keeps the query."""
OLDEST = "created_at"
_SHOWN_NAME = func.coalesce(func.nullif(User.name, ""), User.email)


@dataclass(frozen=True)
class RuleFilter:
    """state: on, off or archived; None = every rule that is not archived."""

    state: str | None = None
    trigger: str | None = None
    site_id: int | None = None
    text: str | None = None


def rules_page(
    session: Session,
    scope: Scope,
    chosen: RuleFilter,
    *,
    ordering: str = "-created_at",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[AutomationRule]:
    """A page of rules by creation or name, `-` before it: descending. Raises Invalid for a damaged cursor,
    Busy for the oldest first while others write."""
    query = _chosen(select(AutomationRule), scope, chosen)
    return sorted_page(
        session, query, _order(ordering), AutomationRule.id.expression, cursor=cursor, limit=limit
    )


def listed_rules_page(
    session: Session,
    scope: Scope,
    chosen: RuleFilter,
    *,
    ordering: str = "-created_at",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ListedRule]:
    """The same page of rules as lists read them."""
    if cursor is None and ordering != OLDEST:
        keys = (_column(ordering), AutomationRule.id)
        rows = listed_rules(session, _first_listed(scope, chosen, ordering, limit))
        return page_of(rows, keys=keys, limit=limit, count=lambda: _number(session, scope, chosen))
    return sorted_page(
        session,
        _listed(scope, chosen),
        _order(ordering),
        AutomationRule.id.expression,
        cursor=cursor,
        limit=limit,
        read=listed_rules,
    )


@kept_queries(KEPT)
def _first_listed(scope: Scope, chosen: RuleFilter, ordering: str, limit: int) -> AnyColumns:
    order, last = _order(ordering), AutomationRule.id
    by = (column.desc() if order.descending else column.asc() for column in (order.by, last))
    return _listed(scope, chosen).order_by(*by).limit(limit + 1)


def _number(session: Session, scope: Scope, chosen: RuleFilter) -> int:
    return count_of(session, _listed(scope, chosen), AutomationRule.id.expression)


@lru_cache(maxsize=KEPT)
def _listed(scope: Scope, chosen: RuleFilter) -> AnyColumns:
    return _chosen(select(*LISTED), scope, chosen)


def _chosen(query: Select[*Columns], scope: Scope, chosen: RuleFilter) -> Select[*Columns]:
    query = query.where(scope.sees(AutomationRule), AutomationRule.built_in.is_(None))
    archived = AutomationRule.archived_at.is_not(None)
    query = query.where(archived if chosen.state == "archived" else ~archived)
    if chosen.state in ("on", "off"):
        query = query.where(AutomationRule.is_active == (chosen.state == "on"))
    if chosen.trigger:
        query = query.where(AutomationRule.trigger == chosen.trigger)
    if chosen.site_id:
        query = query.where(AutomationRule.site_id == chosen.site_id)
    if chosen.text:
        text = literal(fold(chosen.text))
        found = position(AutomationRule.name_folded, text) > 0
        query = query.where(or_(found, position(AutomationRule.description_folded, text) > 0))
    return query


def _order(ordering: str) -> Order:
    by = _column(ordering)
    return Order(by.expression, lambda rule: getattr(rule, by.key), descending=ordering.startswith("-"))


def _column(ordering: str) -> InstrumentedAttribute[str] | InstrumentedAttribute[int]:
    # Ids are given in the order of creation, and a list by them misses nobody who is still to be committed.
    return AutomationRule.name if ordering.removeprefix("-") == "name" else AutomationRule.id


def versions_of(
    session: Session, rule: AutomationRule, *, before: int | None = None, limit: int = 200
) -> list[tuple[RuleVersion, str | None]]:
    """Versions with the name of who saved them, newest first; only those older than `before`."""
    query = _newest(limit)
    if before is not None:
        query = query.where(RuleVersion.version < before)
    return [(version, name) for version, name in session.execute(query, _of(rule))]


@lru_cache(maxsize=KEPT)
def _newest(limit: int) -> Select[RuleVersion, str | None]:
    return _VERSIONS.order_by(RuleVersion.version.desc()).limit(limit)


def versions_page(
    session: Session, rule: AutomationRule, *, cursor: str | None, limit: int
) -> Page[RuleVersion]:
    """A page of versions, newest first. Raises Invalid for a damaged cursor."""
    query = select(RuleVersion).where(
        RuleVersion.rule_id == rule.id, RuleVersion.account_id == rule.account_id
    )
    return keyset_page(session, query, keys=[RuleVersion.version], cursor=cursor, limit=limit)


def savers_of(
    session: Session, rule: AutomationRule, versions: Iterable[RuleVersion]
) -> dict[int | None, str]:
    """The names of the people who saved these versions of the rule, by their ids."""
    ids = {version.created_by_id for version in versions}
    query = select(User.id, _SHOWN_NAME).where(User.account_id == rule.account_id, User.id.in_(ids))
    return {user_id: name for user_id, name in session.execute(query)}  # noqa: C416 - rows are no pairs to mypy


def definition_to_restore(session: Session, rule: AutomationRule, number: int) -> JsonObject:
    """What a version said, to be saved again; the switch stays as it is. Raises NotFound."""
    said: JsonObject = version_of(session, rule, number)[0].definition
    return deepcopy(said) | {"is_active": rule.is_active}


def rules_waited_for(session: Session, scope: Scope, rules: Iterable[ListedRule]) -> dict[int, str]:
    """Names of the rules that these rules reference, by id. No query where there are none."""
    named = (one for rule in rules for one in rule.known.references)
    ids = {one.id for one in named if one.kind == "rule" and 0 < one.id <= LARGEST_ID}
    if not ids:
        return {}
    query = select(AutomationRule.id, AutomationRule.name)
    mine = query.where(scope.sees(AutomationRule), AutomationRule.id.in_(ids))
    return {rule_id: name for rule_id, name in session.execute(mine)}  # noqa: C416 - rows are no pairs to mypy


def version_of(session: Session, rule: AutomationRule, number: int) -> tuple[RuleVersion, str | None]:
    """One version and the name of who saved it. Raises NotFound."""
    found = session.execute(_VERSIONS.where(RuleVersion.version == number), _of(rule)).first()
    if found is None:
        raise NotFound()
    return found[0], found[1]


_VERSIONS = (
    select(RuleVersion, _SHOWN_NAME)
    .outerjoin(User, User.id == RuleVersion.created_by_id)
    .where(
        RuleVersion.rule_id == bindparam("rule_id", type_=Id),
        RuleVersion.account_id == bindparam("account_id", type_=Id),
    )
)


def _of(rule: AutomationRule) -> Values:
    """The parameters of _VERSIONS."""
    return {"rule_id": rule.id, "account_id": rule.account_id}
