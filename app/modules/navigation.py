"""The console's menu: the one list of its pages, filtered by the person's role."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import current_app, g, request, url_for

from app.business.accounts.models import Role


@dataclass(frozen=True)
class Entry:
    """One line of the menu, visible from `role` upward."""

    endpoint: str
    label: str
    icon: str
    role: Role = Role.VIEWER


@dataclass(frozen=True)
class Link:
    """An entry as it is drawn on the present page."""

    label: str
    icon: str
    url: str
    is_current: bool
    endpoint: str = ""


MENU: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Automation",
        (
            Entry("automation.dashboard", "Dashboard", "layout-dashboard"),
            Entry("automation.rules", "Rules", "bolt"),
            Entry("automation.calendar", "Calendar", "calendar"),
            Entry("automation.history", "History", "history"),
            Entry("automation.incidents", "Incidents", "alert-circle"),
            Entry("automation.my_work", "My work", "inbox", Role.OPERATOR),
        ),
    ),
    (
        "Pipeline",
        (
            Entry("planner.keywords", "Keywords", "tag"),
            Entry("planner.clusters", "Clusters", "topology-star-3"),
            Entry("planner.ideas", "Ideas", "bulb"),
            Entry("writer.tasks", "Tasks", "checklist"),
            Entry("writer.contents", "Content", "file-text"),
        ),
    ),
    (
        "Settings",
        (
            Entry("billing.credits", "Credits", "coins"),
            Entry("planner.sites", "Sites", "world"),
            Entry("accounts.team", "Team", "users", Role.OWNER),
            Entry("accounts.api_keys", "Keys", "key", Role.OWNER),
            Entry("outlets.ai", "AI service", "robot", Role.OWNER),
            Entry("outlets.webhooks", "Webhooks", "webhook", Role.OWNER),
            Entry("outlets.incoming", "Incoming", "inbox", Role.OWNER),
            Entry("accounts.settings", "Settings", "settings"),
            Entry("system.health", "System health", "heartbeat"),
        ),
    ),
)

STAND_IN = 7_777_777_777_777_777
"""Stands for the number of a row while its address is built."""


def navigation() -> list[tuple[str, list[Link]]]:
    """The groups of the menu with the links this person may follow; empty groups are left out.

    The present page's entry is the one its address lies under, or the one a view names in `g.menu_entry`.
    """
    shown = [(title, [entry for entry in entries if _is_shown(entry)]) for title, entries in MENU]
    urls = {entry.endpoint: url_for(entry.endpoint) for _, entries in shown for entry in entries}
    named = g.get("menu_entry")
    current = url_for(named) if named else _current_url(list(urls.values()))

    def link(entry: Entry) -> Link:
        url = urls[entry.endpoint]
        return Link(entry.label, entry.icon, url, url == current, entry.endpoint)

    return [(title, list(map(link, entries))) for title, entries in shown if entries]


def address_of(endpoint: str) -> str:
    """Address of a page without parameters; empty when this app does not have the page."""
    return url_for(endpoint) if endpoint in current_app.view_functions else ""


def addresses_of(endpoint: str, key: str = "id", **values: Any) -> Callable[[int], str]:
    """The addresses of rows by their number: a long list has them built once, and not at each row."""
    values = {key: STAND_IN} | values
    before, after = url_for(endpoint, **values).split(str(STAND_IN))
    return lambda number: f"{before}{number}{after}"


def _is_shown(entry: Entry) -> bool:
    return entry.endpoint in current_app.view_functions and g.person.can(entry.role)


def _current_url(urls: list[str]) -> str:
    """The longest address that the present one starts with: the page of rule 7 belongs to Rules."""
    here = request.path.rstrip("/") + "/"
    matching = [url for url in urls if here.startswith(url.rstrip("/") + "/") and (url != "/" or here == "/")]
    return max(matching, key=len, default="")
