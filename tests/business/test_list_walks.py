"""Lists walked page by page while rows arrive, change and go: who stands still comes once, whatever the order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.rules.listing import RuleFilter, rules_page
from app.business.paging import Order, Page
from app.business.planner.models import Sector
from app.business.planner.services.record_lists import CLUSTERS, IDEAS, KEYWORDS, SITES, RecordList
from app.business.writer.services.record_lists import CONTENTS, TASKS
from tests.business.automation.run_rows import make_rule
from tests.factories import (
    NOW,
    make_account,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.sampling import times

pytestmark = pytest.mark.both_databases

ROWS, AT_ONCE, WORLDS = 18, 5, times(full=40, sample=1)
ODD_TEXTS = ("", "a", "A", "ä", "Z", "z", "é", "e", "ss", "ß", "a b", "ab", "a-b", "10", "9", "_", "日本")
"""Which languages sort otherwise than by code point."""
MAKERS: dict[str, tuple[RecordList[Any], Callable[..., Any]]] = {
    "keywords": (KEYWORDS, make_keyword),
    "clusters": (CLUSTERS, make_cluster),
    "ideas": (IDEAS, make_idea),
    "tasks": (TASKS, make_task),
    "content": (CONTENTS, make_content),
    "sites": (
        SITES,
        lambda session, sector, **values: make_site(session, account_of(session, sector), **values),
    ),
}
ORDERS = [
    (kind, name, descending)
    for kind, (rows, _) in MAKERS.items()
    for name in rows.orders
    for descending in (False, True)
]


@dataclass
class World:
    """Rows that stand still, rows that change, rows that are deleted, and those that arrive on the way."""

    session: Session
    sector: Sector
    random: Random
    order: Order
    make: Callable[..., Any]

    def __post_init__(self) -> None:
        rows = [self.arrive() for _ in range(ROWS)]
        self.session.commit()
        self.random.shuffle(rows)
        self.still, self.changing, self.going = rows[: ROWS // 2], rows[ROWS // 2 : -4], rows[-4:]
        self.at_first = {row.id for row in rows}
        self.gone: set[int] = set()

    @property
    def column(self) -> str:
        return str(self.order.by.key)

    def arrive(self) -> Any:
        values = {} if self.column == "id" else {self.column: self.value()}
        return self.make(self.session, self.sector, **values)

    def value(self) -> Any:
        kind = self.order.by.type.python_type
        if self.order.nulls and self.random.random() < 0.3:
            return None
        if kind is str:
            # Names are unique in their place.
            return f"{self.random.choice(ODD_TEXTS)}{self.random.randrange(10**9)}"
        number = self.random.randrange(4)
        return date(2026, 1, 1) + timedelta(days=number) if kind is date else kind(number / 3)

    def go_on(self) -> None:
        """What others do between two pages."""
        self.arrive()
        if self.column != "id":
            for row in self.random.sample(self.changing, 3):
                setattr(row, self.column, self.value())
        if self.going:
            row = self.going.pop()
            self.gone.add(row.id)
            if isinstance(row, AutomationRule):
                row.archived_at = NOW
            else:
                self.session.delete(row)
        self.session.commit()


def account_of(session: Session, sector: Sector) -> Account:
    return session.get_one(Account, sector.account_id)


def walk(world: World, read: Callable[..., Page[Any]]) -> Iterator[int]:
    cursor: str | None = None
    while True:
        page = read(cursor=cursor)
        yield from [row.id for row in page.rows]
        if (cursor := page.next_cursor) is None:
            return
        world.go_on()


def expect_each_once(world: World, found: list[int], order: Order) -> None:
    counted = {row.id: found.count(row.id) for row in world.still}
    assert set(counted.values()) == {1}, counted
    if world.column == "id":
        assert len(found) == len(set(found))
        assert world.at_first - world.gone <= set(found)
        if not order.descending:
            assert found == sorted(found)


@pytest.mark.parametrize(("kind", "name", "descending"), ORDERS)
def test_who_stands_still_comes_once_in_every_order_of_every_list(
    session: Session, kind: str, name: str, descending: bool
) -> None:
    rows, make = MAKERS[kind]
    order = replace(rows.orders[name], descending=descending)
    one_order = replace(rows, orders={name: order})
    for number in range(WORLDS):
        account = make_account(session)
        sector = make_sector(session, make_site(session, account))
        world = World(session, sector, Random(f"{kind} {name} {descending} {number}"), order, make)
        scope = Scope(account.id)
        read = partial(one_order.page, session, scope, {}, limit=AT_ONCE)
        expect_each_once(world, list(walk(world, read)), order)


@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "name", "-name"])
def test_rules_too(session: Session, ordering: str) -> None:
    column = ordering.removeprefix("-")
    key = AutomationRule.name if column == "name" else AutomationRule.id
    order = Order(key.expression, lambda rule: getattr(rule, key.key), descending=ordering != column)
    account = make_account(session)
    sector = make_sector(session, make_site(session, account))

    random = Random(ordering)

    def make(session: Session, _sector: Sector, **values: Any) -> AutomationRule:
        rule = make_rule(session, account, **values)
        # The moment says nothing about when it is committed.
        rule.created_at -= timedelta(days=random.randrange(100))
        return rule

    world = World(session, sector, random, order, make)
    scope = Scope(account.id)
    read = partial(rules_page, session, scope, RuleFilter(), ordering=ordering, limit=AT_ONCE)
    expect_each_once(world, list(walk(world, read)), order)
