"""The console's menu: the one list of its pages, filtered by the person's role."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import current_app, g, request, url_for

from app.business.accounts.models import Role
from app.modules.once import once


@dataclass(frozen=True)
class MenuItem:
    """One line of the menu, visible from `role` upward. keys: the two keys that go there, one after the other."""

    endpoint: str
    label: str
    icon: str
    role: Role = Role.VIEWER
    keys: str = ""


@dataclass(frozen=True)
class Link:
    """An entry as it is drawn on the present page."""

    label: str
    icon: str
    url: str
    is_current: bool
    endpoint: str = ""
    keys: str = ""


Menu = tuple[tuple[str, tuple[Link, ...]], ...]
Shortcuts = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

MENU: tuple[tuple[str, tuple[MenuItem, ...]], ...] = (
    (
        "Automation",
        (
            MenuItem("automation.dashboard", "Dashboard", "layout-dashboard", keys="g d"),
            MenuItem("automation.rules", "Rules", "bolt", keys="g r"),
            MenuItem("automation.calendar", "Calendar", "calendar", keys="g c"),
            MenuItem("automation.history", "History", "history", keys="g h"),
            MenuItem("automation.incidents", "Incidents", "alert-circle"),
            MenuItem("automation.my_work", "My work", "inbox", Role.OPERATOR, keys="g w"),
        ),
    ),
    (
        "Pipeline",
        (
            MenuItem("planner.keywords", "Keywords", "tag", keys="g k"),
            MenuItem("planner.clusters", "Clusters", "topology-star-3", keys="g l"),
            MenuItem("planner.ideas", "Ideas", "bulb", keys="g i"),
            MenuItem("writer.tasks", "Tasks", "checklist", keys="g t"),
            MenuItem("writer.contents", "Content", "file-text", keys="g a"),
        ),
    ),
    (
        "Settings",
        (
            MenuItem("billing.credits", "Credits", "coins", keys="g m"),
            MenuItem("planner.sites", "Sites", "world", keys="g s"),
            MenuItem("accounts.team", "Team", "users", Role.OWNER),
            MenuItem("accounts.api_keys", "API keys", "key", Role.OWNER),
            MenuItem("automation.audit", "Audit", "shield", Role.OWNER),
            MenuItem("outlets.ai", "AI service", "robot", Role.OWNER),
            MenuItem("outlets.webhooks", "Webhooks", "webhook", Role.OWNER),
            MenuItem("outlets.incoming", "Incoming", "inbox", Role.OWNER),
            MenuItem("accounts.settings", "Settings", "settings"),
            MenuItem("system.health", "System health", "heartbeat"),
        ),
    ),
)

KEYS: Shortcuts = (
    ("Everywhere", (("/", "Search"), ("?", "These keys"), ("Esc", "Close what is open"))),
    (
        "In My work",
        (
            ("j", "Next"),
            ("k", "Previous"),
            ("a", "Approve"),
            ("s", "Write what should change"),
            ("p", "Choose who else checks it"),
            ("e", "Edit"),
            ("o", "Its page"),
        ),
    ),
)
"""Keys besides those of the menu, with what they do."""

STAND_IN = 7_777_777_777_777_777
"""Stands for the number of a row while its address is built."""


def navigation() -> Menu:
    """The groups of the menu with the links this person may follow; empty groups are left out.

    The present page's entry is the one its address lies under, or the one a view names in `g.menu_entry`.
    """
    menu, named = _menu(), g.get("menu_entry")
    current = url_for(named) if named else _current_url([link.url for _, links in menu for link in links])
    return tuple(
        (title, tuple(replace(link, is_current=True) if link.url == current else link for link in links))
        for title, links in menu
    )


def shortcuts() -> Shortcuts:
    """All keys by where they work: of this person's menu too."""
    menu = tuple((link.keys, link.label) for _, links in _menu() for link in links if link.keys)
    everywhere, *others = KEYS
    mine = others if g.person.can(Role.OPERATOR) else ()
    return (everywhere, ("Go to", menu), *mine)


def address_of(endpoint: str) -> str:
    """Address of a page without parameters; empty when this app does not have the page."""

    def build() -> str:
        return url_for(endpoint) if endpoint in current_app.view_functions else ""

    return once(("address", request.script_root, endpoint), build)


def addresses_of(endpoint: str, key: str = "id", **values: Any) -> Callable[[int], str]:
    """The addresses of rows by their number: a long list has them built once, and not at each row."""
    values = {key: STAND_IN} | values
    before, after = url_for(endpoint, **values).split(str(STAND_IN))
    return lambda number: f"{before}{number}{after}"


def known_url_for(endpoint: str, **values: Any) -> str:
    """Flask's `url_for`, for templates. Of addresses that differ by a number alone, the rest is built once."""
    if not values and endpoint[0] != ".":
        return once(("url", request.script_root, endpoint), lambda: url_for(endpoint))
    if len(values) == 1 and endpoint[0] != ".":
        [(key, value)] = values.items()
        if type(value) is int and value >= 0:
            built = ("url", request.script_root, endpoint, key)
            return once(built, lambda: addresses_of(endpoint, key))(value)
    return url_for(endpoint, **values)


def _menu() -> Menu:
    """As people of this role and range see it; put together once in a process."""

    def build() -> Menu:
        shown = [(title, [entry for entry in entries if _is_shown(entry)]) for title, entries in MENU]
        return tuple((title, tuple(map(_link, entries))) for title, entries in shown if entries)

    return once(("menu", request.script_root, g.person.role, g.person.sees_all), build)


def _link(entry: MenuItem) -> Link:
    return Link(entry.label, entry.icon, address_of(entry.endpoint), False, entry.endpoint, entry.keys)


def _is_shown(entry: MenuItem) -> bool:
    known = entry.endpoint in current_app.view_functions
    return known and g.person.can(entry.role) and g.person.may_open(entry.endpoint)


def _current_url(urls: list[str]) -> str:
    """The longest address that the present one starts with: the page of rule 7 belongs to Rules."""
    root, here = request.script_root, request.path.rstrip("/") + "/"

    def leads_here(url: str) -> bool:
        own = url[len(root) :].rstrip("/") + "/"
        return here.startswith(own) and (own != "/" or here == "/")

    return max(filter(leads_here, urls), key=len, default="")
