"""What a field is: its type, its words, and the SQL expression that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    INSTANT = "instant"
    DAY = "day"
    LIST = "list"
    REFERENCE = "reference"
    HANDLED = "handled"


RELATED, OF_SITE, OF_ACCOUNT = "related", "site", "account"
COUNTED = (RELATED, OF_SITE, OF_ACCOUNT)
"""Which records a condition counts: those that belong to its own, those of its site, all in the rule's scope."""


def relation_key(of: str, name: str) -> str:
    """The name of what is counted among the relations: `content` are the related ones, `site/content` the site's."""
    return name if of == RELATED else f"{of}/{name}"


@dataclass(frozen=True)
class RuleScope:
    """What a rule may read: the records of one account, and of one site or sector where it is bound to them.

    split_site_id: of a rule with a run for each site, the site of this run · account_zone: in which its months begin
    (None: as the clock that is read).
    """

    account_id: int
    site_id: int | None
    sector_id: int | None
    split_site_id: int | None = None
    account_zone: str | None = None

    def holds(self, row: Any) -> ColumnElement[bool]:
        """Clause over a row that another row leads to: whether it may be read.

        The sums keep the databases from starting here, for the link between the two rows is the shorter way.
        """
        return and_(*(getattr(row, column) + 0 == id for column, id in self._places()))

    def selects(self, row: Any) -> ColumnElement[bool]:
        """Clause over a row that nothing leads to: whether it may be read."""
        return and_(*(getattr(row, column) == id for column, id in self._places()))

    def _places(self) -> list[tuple[str, int]]:
        ids = {"account_id": self.account_id, "site_id": self.site_id, "sector_id": self.sector_id}
        return [(column, id) for column, id in ids.items() if id is not None]


@dataclass(frozen=True)
class Frame:
    """Against what fields are read: in which scope, when, in which zone, for which rule (its `handled_at`)."""

    scope: RuleScope
    now: datetime
    zone: tzinfo
    rule_id: int | None = None

    @property
    def account_id(self) -> int:
        """The account of the scope."""
        return self.scope.account_id

    @property
    def local_now(self) -> datetime:
        """Now on the clock of the zone."""
        return self.now.astimezone(self.zone)


Expression = Callable[[Any, Frame], ColumnElement[Any]]
Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Field:
    """One value of a record. `of(entity, frame)` is its SQL expression over a row of `entity`.

    column: under which name the record itself has it; None for what belongs to others.
    folded: the same of the stored fold, for comparisons without case; every text and list has one.
    """

    name: str
    label: str
    type: FieldType
    of: Expression
    choices: Choices = ()
    keyword_text: bool = False
    column: str | None = None
    folded: Expression | None = None

    def side(self, entity: Any, frame: Frame, *, ignore_case: bool = False) -> ColumnElement[Any]:
        """The expression to compare. What is no text has no case."""
        return (self.folded or self.of if ignore_case else self.of)(entity, frame)
