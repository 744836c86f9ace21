"""The columns of the lists of records: which there are, which this browser shows, and by which a list is sorted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from flask import g, request
from flask import session as cookie
from sqlalchemy import select

from app.business.accounts.models import User
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.display import day, number
from app.modules.navigation import addresses_of

NOTHING = "–"
PARAMETER = "columns"

Row = Any
"""A record. Any: each kind has a model of its own."""
Pill = tuple[str, str]
"""Words and tone."""


@dataclass(frozen=True)
class Column:
    """One column.

    text: what a row says · at: an instant, in place of the text · link: the page it leads to, and the attribute with
    its id · pill: a mark behind it · sort: the order of the list by it.
    """

    label: str
    text: Callable[[Row], str] = lambda _row: ""
    is_figure: bool = False
    at: Callable[[Row], datetime | None] | None = None
    link: tuple[str, str] | None = None
    pill: Callable[[Row], Pill | None] | None = None
    sort: str = ""


@dataclass(frozen=True)
class ListColumns:
    """The columns of one list. key: names the choice in the cookie · usual: shown until somebody chooses."""

    key: str
    all: Mapping[str, Column]
    usual: Sequence[str]


@dataclass(frozen=True)
class ChosenColumns:
    """What a page needs to draw them. kept: the other parts of the address, for the form that chooses."""

    all: Mapping[str, Column]
    shown: Mapping[str, Column]
    links: Mapping[str, Callable[[int], str]]
    kept: Sequence[tuple[str, str]] = field(default=())
    sort: str = ""

    def sort_url(self, sort: str) -> str:
        """The list in this order, from its first page."""
        left = [pair for pair in self.kept if pair[0] != "sort"]
        return f"{request.path}?{urlencode([*left, ('sort', sort)])}"


def chosen_columns(columns: ListColumns) -> ChosenColumns:
    """Those that the address names, which this browser then keeps; else those kept, else the usual ones."""
    if PARAMETER in request.args:
        cookie[columns.key] = [name for name in request.args.getlist(PARAMETER) if name in columns.all]
    names = cookie.get(columns.key, columns.usual)
    left = [
        pair for pair in request.args.items(multi=True) if pair[0] not in (PARAMETER, "cursor") and pair[1]
    ]
    shown = {name: column for name, column in columns.all.items() if name in names}
    links = {name: addresses_of(column.link[0]) for name, column in shown.items() if column.link}
    return ChosenColumns(columns.all, shown, links, left, request.args.get("sort", ""))


def figure(name: str) -> Callable[[Row], str]:
    return lambda row: number(getattr(row, name))


def word(name: str) -> Callable[[Row], str]:
    return lambda row: getattr(row, name) or NOTHING


def several(name: str) -> Callable[[Row], str]:
    return lambda row: ", ".join(map(str, getattr(row, name))) or NOTHING


def on_day(name: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        value: date | None = getattr(row, name)
        return day(value)

    return text


def at(name: str) -> Callable[[Row], datetime | None]:
    return lambda row: getattr(row, name)


SHARED: Mapping[str, Column] = {
    "labels": Column("Labels", several("labels")),
    "assignee": Column("Assigned to", lambda row: _people().get(row.assignee_id, NOTHING)),
    "status_since": Column("Status since", at=at("status_since"), is_figure=True),
    "added": Column("Added", at=at("created_at"), is_figure=True, sort="newest"),
}
"""Columns of every list of records."""


def _people() -> Mapping[int | None, str]:
    """Names of the account's people; read once for a page."""
    if "people_names" not in g:
        query = select(User.id, User.name, User.email).where(User.account_id == current_person().account.id)
        g.people_names = {id: name or email for id, name, email in db.session.execute(query)}
    names: Mapping[int | None, str] = g.people_names
    return names
