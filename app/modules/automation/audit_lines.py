"""Entries of the audit log as a page shows them: who did what to which row, and what differs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import url_for
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, select

from app.business.accounts.models import Account, ApiKey, AuditEntry, User
from app.business.archived_rows import WITH_ARCHIVED
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.services.calendars.description import pause_words, week_words
from app.business.automation.services.calendars.public_holidays import countries, regions
from app.business.automation.services.calendars.working_calendar import Pause, WorkingHours
from app.business.automation.services.rule_parts import Json, Stored
from app.business.base import AccountOwned
from app.business.outlets.services.webhooks import EVENTS
from app.business.outlets.webhook_models import Webhook
from app.business.planner.models import Cluster, Idea, Keyword, Site
from app.business.writer.models import Content, Task
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.diff.proposed import differences_of
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.labels.audit import COUNTS, NOT_SHOWN, NOUNS, action_words, field_words, look_of
from app.modules.automation.rule_form.choices import load_choices
from app.modules.changes import Change

MODELS: Mapping[str, tuple[type[Any], str, str]] = {
    "account": (Account, "name", ""),
    "api_key": (ApiKey, "name", ""),
    "automation_rule": (AutomationRule, "name", "automation.rule"),
    "cluster": (Cluster, "name", "planner.cluster"),
    "content": (Content, "title", "writer.content"),
    "idea": (Idea, "title", "planner.idea"),
    "keyword": (Keyword, "text", "planner.keyword"),
    "site": (Site, "name", "planner.site"),
    "task": (Task, "title", "writer.task"),
    "user": (User, "email", ""),
    "webhook": (Webhook, "name", "outlets.webhook"),
}
"""Kind of row -> its table, the column that names it, and its page."""
PAGES = {
    "scheduled_task": "automation.run",
    "operation": "automation.operation",
    "incident": "automation.incident",
    "rule_change": "automation.rule_change",
}
"""Kinds of rows that have a number only."""
OF_A_SITE = ("site_calendar", "wordpress_connection")
"""Kinds of rows that are named by their site; a calendar without one is the account's."""
LONGEST = 160
CHANGE = ("from", "to")
CALENDAR_WORDS: Mapping[str, Callable[[Json], str]] = {
    "working_hours": lambda hours: week_words(TypeAdapter(tuple[WorkingHours, ...]).validate_python(hours)),
    "pauses": lambda pauses: "; ".join(map(pause_words, TypeAdapter(list[Pause]).validate_python(pauses))),
    "country": lambda code: countries().get(str(code), str(code)),
}
"""Values of calendars that are stored for programs."""
COMMAND = "The console, or a command"


@dataclass(frozen=True)
class AuditLine:
    """look: tone and drawing · who: a person or key · done: what they did · subject, url: what it was done to, and its
    page · facts: what the entry says beside the differences, by name."""

    entry: AuditEntry
    look: tuple[str, str]
    who: str
    done: str
    subject: str
    url: str
    changes: Sequence[Change]
    facts: Sequence[tuple[str, str]]


def audit_lines(entries: Sequence[AuditEntry]) -> list[AuditLine]:
    """All in a few queries, however many entries there are."""
    names = {kind: _names(kind, _ids(entries, kind)) for kind in {entry.subject_type for entry in entries}}
    people = _people({entry.user_id for entry in entries if entry.user_id})
    keys = _names("api_key", {entry.api_key_id for entry in entries if entry.api_key_id})
    sites, changes = _site_names(), _changes_of_rules(entries) | _changes_proposed(entries)
    return [
        AuditLine(
            entry,
            look_of(entry.action),
            _who(entry, people, keys),
            action_words(entry.action),
            "" if entry.action == "user.signed_in" else _subject(entry, names[entry.subject_type], sites),
            _page_of(entry, names[entry.subject_type]),
            changes.get(entry.id, []) + _changes(entry, sites),
            _facts(entry, sites),
        )
        for entry in entries
    ]


def _ids(entries: Sequence[AuditEntry], kind: str) -> set[int]:
    return {entry.subject_id for entry in entries if entry.subject_type == kind and entry.subject_id}


def _names(kind: str, ids: Collection[int]) -> dict[int, str]:
    if kind not in MODELS or not ids:
        return {}
    model, column, _page = MODELS[kind]
    mine = model.id == current_person().account.id if model is Account else _own(model)
    query = select(model.id, getattr(model, column)).where(mine, model.id.in_(ids))
    rows = db.session.execute(query, execution_options=WITH_ARCHIVED)
    return {row[0]: row[1] for row in rows}


def _people(ids: Collection[int]) -> dict[int, str]:
    query = select(User.id, User.name, User.email).where(_own(User), User.id.in_(ids))
    return {id: name or email for id, name, email in db.session.execute(query)}


def _own(model: type[AccountOwned]) -> ColumnElement[bool]:
    return current_person().scope.sees(model)


def _who(entry: AuditEntry, people: Mapping[int, str], keys: Mapping[int, str]) -> str:
    if entry.user_id is None:
        return COMMAND
    person = people.get(entry.user_id, f"Person {entry.user_id}")
    return f"{person}, by the key “{keys.get(entry.api_key_id, '?')}”" if entry.api_key_id else person


def _subject(entry: AuditEntry, names: Mapping[int, str], sites: Mapping[int, str]) -> str:
    noun = NOUNS.get(entry.subject_type, f"the {entry.subject_type.replace('_', ' ')}")
    name = names.get(entry.subject_id or 0)
    if entry.subject_type in OF_A_SITE:
        return f"{noun} {_site(entry, sites)}"
    if entry.subject_type == "user":
        return name or f"person {entry.subject_id}"
    if name:
        return f"{noun} “{name}”"
    known = (entry.data or {}).get("name") or (entry.data or {}).get("url")
    if isinstance(known, str):
        return f"{noun} “{known}”"
    return (
        noun if entry.subject_type in ("ai_connection", "incoming_address") else f"{noun} {entry.subject_id}"
    )


def _site(entry: AuditEntry, sites: Mapping[int, str]) -> str:
    site_id = (entry.data or {}).get("site_id")
    if not isinstance(site_id, int):
        return "the account"
    return f"“{sites[site_id]}”" if site_id in sites else f"site {site_id}"


def _page_of(entry: AuditEntry, names: Mapping[int, str]) -> str:
    if entry.subject_type in PAGES:
        return url_for(PAGES[entry.subject_type], id=entry.subject_id)
    page = MODELS[entry.subject_type][2] if entry.subject_id in names else ""
    return url_for(page, id=entry.subject_id) if page else ""


def _changes_of_rules(entries: Sequence[AuditEntry]) -> dict[int, list[Change]]:
    """Entry -> what a saved version of a rule says otherwise than the one before."""
    saved = {
        entry.id: (entry.subject_id, version)
        for entry in entries
        if entry.action == "rule.changed"
        and entry.subject_id
        and isinstance(version := (entry.data or {}).get("version"), int)
    }
    if not saved:
        return {}
    wanted = {(rule, number - step) for rule, number in saved.values() for step in (0, 1)}
    query = select(RuleVersion).where(
        RuleVersion.account_id == current_person().account.id,
        RuleVersion.rule_id.in_({rule for rule, _ in wanted}),
        RuleVersion.version.in_({number for _, number in wanted}),
    )
    found = {(row.rule_id, row.version): row.definition for row in db.session.scalars(query)}
    choices = load_choices(db.session(), current_person().scope)
    return {
        key: rule_changes(found[rule, number - 1], found[rule, number], choices)
        for key, (rule, number) in saved.items()
        if (rule, number) in found and (rule, number - 1) in found
    }


def _changes_proposed(entries: Sequence[AuditEntry]) -> dict[int, list[Change]]:
    """Entry -> what the change of a rule that it is about would change, or has changed."""
    ids = _ids(entries, RuleChange.__tablename__)
    if not ids:
        return {}
    query = select(RuleChange).where(
        RuleChange.account_id == current_person().account.id, RuleChange.id.in_(ids)
    )
    choices = load_choices(db.session(), current_person().scope)
    found = differences_of(db.session(), db.session.scalars(query).all(), choices)
    return {
        entry.id: found.get(entry.subject_id or 0, [])
        for entry in entries
        if entry.subject_id in ids and entry.subject_type == RuleChange.__tablename__
    }


def _site_names() -> dict[int, str]:
    rows = db.session.execute(select(Site.id, Site.name).where(_own(Site)))
    return {row[0]: row[1] for row in rows}


def _changes(entry: AuditEntry, sites: Mapping[int, str]) -> list[Change]:
    data = entry.data or {}
    if _is_change(data):
        return [Change(field_words("role"), str(data["from"]), str(data["to"]))]
    before, after = (
        {name: value[side] for name, value in data.items() if isinstance(value, dict) and _is_change(value)}
        for side in CHANGE
    )
    changes = (
        Change(field_words(name), *(_side(name, values, sites, data) for values in (before, after)))
        for name in before
    )
    return [change for change in changes if change.before != change.after]


def _side(name: str, values: Stored, sites: Mapping[int, str], beside: Stored) -> str | None:
    """None where nothing was set; of sites that means all of them."""
    is_set = values[name] not in (None, "", []) or name == "site_ids"
    return _words(name, values, sites, beside) if is_set else None


def _facts(entry: AuditEntry, sites: Mapping[int, str]) -> list[tuple[str, str]]:
    data = entry.data or {}
    if _is_change(data):
        return []
    return [
        (field_words(name), _words(name, data, sites))
        for name, value in data.items()
        if name not in NOT_SHOWN
        and not _is_change(value)
        and not (name in COUNTS and value == 0)
        and (value not in (None, "", []) or name == "site_ids")
    ]


def _is_change(value: Json) -> bool:
    return isinstance(value, dict) and value.keys() == set(CHANGE)


def _words(name: str, values: Stored, sites: Mapping[int, str], beside: Stored | None = None) -> str:
    """beside: what else the entry says, where `values` are one side of what it changed."""
    value = values[name]
    if name == "region" and isinstance(value, str):
        country = values.get("country", (beside or {}).get("country"))
        known = regions(country) if isinstance(country, str) and country in countries() else {}
        return known.get(value, value)
    if name == "events" and isinstance(value, list):
        return ", ".join(EVENTS.get(str(event), str(event)) for event in value)
    if name == "site_ids":
        ids = value if isinstance(value, list) else []
        named = (sites.get(id, f"site {id}") for id in ids if isinstance(id, int))
        return "All" if value is None else ", ".join(named)
    if name in CALENDAR_WORDS and value:
        with suppress(ValidationError):  # One that an older version has written otherwise.
            return CALENDAR_WORDS[name](value)
    return _plain(value)


def _plain(value: Json) -> str:
    if value is None or value in ("", []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
