"""A field: its type, its label, and the SQL expression that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_

from app.business.automation.services.rule_parts import Json

FieldValue = Json | date
"""What a field of a record is; of a context that a person gave it may be any JSON. An instant is a date as well."""


SqlValue = ColumnElement[Any]
"""An SQL expression for a `FieldValue`. Any: columns are invariant, so a column of numbers is no column of values."""
Entity = Any
"""A mapped class or an alias of one: records, runs or accounts. Any: fields look its columns up by name."""


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
"""Which records a condition counts: related ones, those of the site, or all in the rule's scope."""


def relation_key(of: str, name: str) -> str:
    """Key of counted records among the relations: `content` for related ones, `site/content` for those of the site."""
    return name if of == RELATED else f"{of}/{name}"


@dataclass(frozen=True)
class RuleScope:
    """What a rule may read: the records of one account, optionally of one site or sector.

    split_site_id: the site of this run, where the rule is split by site · account_zone: time zone of the account's
    months (None: that of the clock fields).
    """

    account_id: int
    site_id: int | None
    sector_id: int | None
    split_site_id: int | None = None
    account_zone: str | None = None

    def holds(self, row: Entity) -> ColumnElement[bool]:
        """Clause: whether a row reached from another row may be read.

        Adding 0 keeps the databases from using these columns' indexes: following the link between the rows is faster.
        """
        return and_(*(getattr(row, column) + 0 == id for column, id in self._places()))

    def selects(self, row: Entity) -> ColumnElement[bool]:
        """Clause: whether a row of a plain select may be read."""
        return and_(*(getattr(row, column) == id for column, id in self._places()))

    def _places(self) -> list[tuple[str, int]]:
        ids = {"account_id": self.account_id, "site_id": self.site_id, "sector_id": self.sector_id}
        return [(column, id) for column, id in ids.items() if id is not None]


@dataclass(frozen=True)
class Frame:
    """The context in which fields are read: scope, time, time zone, and the rule that `handled_at` refers to."""

    scope: RuleScope
    now: datetime
    zone: tzinfo
    rule_id: int | None = None

    @property
    def account_id(self) -> int:
        return self.scope.account_id

    @property
    def local_now(self) -> datetime:
        """Now in the time zone."""
        return self.now.astimezone(self.zone)


Expression = Callable[[Entity, Frame], SqlValue]
Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Field:
    """One value of a record. `of(entity, frame)` is its SQL expression over a row of `entity`.

    column: name of the record's own column; None for values of related rows. folded: like `of`, but the stored
    case-folded text; every text and list has one.
    """

    name: str
    label: str
    type: FieldType
    of: Expression
    choices: Choices = ()
    keyword_text: bool = False
    column: str | None = None
    folded: Expression | None = None

    def side(self, entity: Entity, frame: Frame, *, ignore_case: bool = False) -> SqlValue:
        """The expression to compare. Only texts and lists differ with ignore_case."""
        return (self.folded or self.of if ignore_case else self.of)(entity, frame)
