"""Search over everything the person sees, as a page and below the box in the bar of every page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import url_for
from wtforms import StringField

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.history import search as service
from app.business.folding import fold
from app.business.planner.models import Record, Site
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.help.addresses import help_address
from app.modules.automation.help.sections import terms
from app.modules.automation.labels.runs import outcome, run_state
from app.modules.display import plural, when
from app.modules.forms import FilterForm, at_most
from app.modules.navigation import navigation
from app.modules.web import page_or_partial

LONGEST = 100


class SearchForm(FilterForm):
    q = StringField("Search", [at_most(LONGEST)])


@dataclass(frozen=True)
class Hit:
    """One line: type and status of its pill, empty for none."""

    title: str
    note: str
    url: str
    type: str = ""
    status: str = ""


@dataclass(frozen=True)
class Hits:
    """What was found of one kind; all_url: the list that has the rest."""

    title: str
    icon: str
    lines: list[Hit]
    all_url: str = ""


@allow(Role.VIEWER)
def show() -> str:
    form = SearchForm()
    text = form.chosen().get("q", "")
    groups = _found(text)
    count = sum(len(group.lines) for group in groups)
    return page_or_partial(
        "pages/automation/search.html",
        "partials/automation/search_results.html",
        form=form,
        text=text,
        is_short=not service.is_enough(text),
        groups=groups,
        count=plural(count, "result") + (" shown" if any(group.all_url for group in groups) else ""),
    )


def _found(text: str) -> list[Hits]:
    """Pages of the menu first, then what the account has."""
    wanted = fold(text).split()
    pages = [
        Hit(link.label, "Page", link.url)
        for _, links in navigation()
        for link in links
        if wanted and all(word in fold(link.label) for word in wanted)
    ]
    of_pages = [Hits("Pages", "layout-dashboard", pages)] if pages and service.is_enough(text) else []
    found = service.search(db.session(), current_person().scope, text)
    return [*of_pages, *(_hits(group, text) for group in found), *_explained(text)]


def _explained(text: str) -> list[Hits]:
    """Terms of help with these words in their names."""
    entries = terms(text) if service.is_enough(text) else []
    lines = [Hit(entry.title, entry.text, help_address(entry.anchor)) for entry in entries[: service.EACH]]
    rest = url_for("automation.help", q=text) if len(entries) > len(lines) else ""
    return [Hits("Help", "help-circle", lines, rest)] if lines else []


def _hits(group: service.FoundGroup, text: str) -> Hits:
    title, icon, hit, all_of = KINDS[group.kind]
    rest = url_for(all_of, text=text) if group.has_more and all_of else ""
    return Hits(title, icon, [hit(row) for row in group.rows], rest)


def _run(run: ScheduledTask) -> Hit:
    note = f"{when(run.begins_at)}: {outcome(run)}"
    return Hit(
        f"Run {run.id}: {run.rule_name}", note, url_for("automation.run", id=run.id), "run", run_state(run)
    )


def _rule(rule: AutomationRule) -> Hit:
    note = rule.description or ("Practice mode" if rule.mode == "shadow" else "")
    return Hit(
        rule.name, note, url_for("automation.rule", id=rule.id), "rule", "on" if rule.is_active else "off"
    )


def _site(site: Site) -> Hit:
    return Hit(site.name, site.url, url_for("planner.site", id=site.id), "site", site.status)


def _record(type: str, page: str, name: str) -> Callable[[Any], Hit]:
    """Any: each kind of record has a model of its own."""

    def hit(row: Record) -> Hit:
        place = f"{row.site.name} / {row.sector.name}"
        return Hit(getattr(row, name), place, url_for(page, id=row.id), type, row.status)

    return hit


KINDS: dict[str, tuple[str, str, Callable[[Any], Hit], str]] = {
    "run": ("Runs", "history", _run, ""),
    "rule": ("Rules", "bolt", _rule, "automation.rules"),
    "site": ("Sites", "world", _site, ""),
    "keyword": ("Keywords", "tag", _record("keyword", "planner.keyword", "text"), "planner.keywords"),
    "cluster": (
        "Clusters",
        "topology-star-3",
        _record("cluster", "planner.cluster", "name"),
        "planner.clusters",
    ),
    "idea": ("Ideas", "bulb", _record("idea", "planner.idea", "title"), "planner.ideas"),
    "task": ("Tasks", "checklist", _record("task", "writer.task", "title"), "writer.tasks"),
    "content": ("Content", "file-text", _record("content", "writer.content", "title"), "writer.contents"),
}
"""Title, drawing, line and list of each kind."""
