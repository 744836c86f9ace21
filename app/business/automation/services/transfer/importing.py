"""Imports rules from a file: references by name, switched off, in one transaction, with a preview.

The preview is the import itself, in a savepoint that is rolled back, so the two cannot differ.
"""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.rules.checking import checked
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.transfer.names import (
    Directory,
    load_directory,
    sector_name,
    swap_references,
)
from app.business.errors import Invalid
from app.business.folding import name_key

MOST_RULES = 200
WORDS = {
    "site": "site",
    "sector": "sector",
    "rule": "rule",
    "person": "person with the e-mail address",
    "webhook": "webhook",
}
ORIGIN: JsonObject = {"imported": True}

Definition = JsonObject
Errors = dict[str, list[str]]


@dataclass
class RuleImport:
    """Import result of one rule of the file. `before`: the definition of an existing rule with that name."""

    number: int
    name: str
    state: Literal["new", "changed", "unchanged", "refused"]
    before: Definition | None = None
    after: Definition | None = None
    errors: Errors = field(default_factory=dict)
    rule_id: int | None = None


@dataclass
class FileImport:
    """Import result of the file.

    `unknown_sites`: names for which a site can be chosen; `rule_names`: of the created rules.
    """

    rules: list[RuleImport]
    unknown_sites: list[str]
    rule_names: dict[int, str]

    @property
    def fingerprint(self) -> str:
        """Hash of everything the preview shows: it differs whenever the import would have another result."""
        seen = [
            (rule.name, rule.state, rule.before, _without_ids(rule.after), rule.errors) for rule in self.rules
        ]
        return hashlib.sha256(json.dumps(seen, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def count(self, state: str) -> int:
        """The number of rules with that state."""
        return sum(rule.state == state for rule in self.rules)


def preview_import(
    session: Session,
    account: Account,
    rules: list[Json],
    actor: Actor,
    now: datetime,
    sites_as: Mapping[str, int] | None = None,
) -> FileImport:
    """The result that the import would have; nothing is written."""
    wakeups = {name: set(session.info.get(name, ())) for name in ("wake", "alarms")}
    savepoint = session.begin_nested()
    try:
        return apply_import(session, account, rules, actor, now, sites_as)
    finally:
        savepoint.rollback()
        session.info.update(wakeups)


def apply_import(
    session: Session,
    account: Account,
    rules: list[Json],
    actor: Actor,
    now: datetime,
    sites_as: Mapping[str, int] | None = None,
) -> FileImport:
    """Save every valid rule; the caller decides whether to commit. Raises Invalid for too many rules."""
    if len(rules) > MOST_RULES:
        raise Invalid(
            {"yaml": [f"The file holds {len(rules):,} rules; at most {MOST_RULES} are taken at once."]}
        )
    directory = load_directory(session, actor.scope(account.id))
    own_sites = directory.by_id["site"]
    directory.sites_as = {name: id for name, id in (sites_as or {}).items() if id in own_sites}
    importer = _Importer(session, account, directory, actor, now)
    return importer.all(rules)


class _Importer:
    def __init__(
        self, session: Session, account: Account, directory: Directory, actor: Actor, now: datetime
    ) -> None:
        self.session, self.account, self.directory = session, account, directory
        self.actor, self.now, self.service = actor, now, AutomationService()
        self.unknown_sites: dict[str, None] = {}
        self.made: dict[int, str] = {}

    def all(self, rules: list[Json]) -> FileImport:
        names = [_key(rule.get("name")) if isinstance(rule, dict) else None for rule in rules]
        imports: dict[int, RuleImport] = {}
        waiting = list(range(len(rules)))
        # Rules may reference other rules of the file: those that reference a later one are saved after it.
        while waiting:
            to_come = {names[index] for index in waiting if isinstance(names[index], str)}
            ready = [
                index for index in waiting if not self.named_rules(rules[index]) & (to_come - {names[index]})
            ]
            for index in ready or waiting:
                twice = names.count(names[index]) > 1
                imports[index] = self.one(index + 1, rules[index], twice, circle=not ready)
            waiting = [index for index in waiting if index not in imports]
        return FileImport(
            [imports[index] for index in range(len(rules))], list(self.unknown_sites), self.made
        )

    def named_rules(self, rule: Json) -> set[str]:
        """Names of rules that this one references and that the account does not have yet."""
        found: set[str] = set()

        def note(whose: str, value: Json, _path: str) -> Json:
            if whose == "rule" and isinstance(value, str) and not self.directory.ids("rule", value):
                found.add(name_key(value))
            return value

        if isinstance(rule, dict):
            swap_references(deepcopy(rule), note)
        return found

    def one(self, number: int, rule: Json, twice: bool, *, circle: bool) -> RuleImport:
        given = rule.get("name") if isinstance(rule, dict) else None
        name = given.strip() if isinstance(given, str) else ""
        if not isinstance(rule, dict) or not name:
            return _refused(number, "Without a name", {"name": ["Give the rule a name."]})
        known = self.directory.ids("rule", name)
        if twice or len(known) > 1:
            where = "in the file" if twice else "here"
            return _refused(
                number, name, {"name": [f"Two rules are called “{name}” {where}. Rename one of them."]}
            )
        data, errors = with_ids(rule, self.directory, self.unknown_sites)
        if circle and errors:
            errors["name"] = ["Rules of this file name one another in a circle. Import one without it first."]
        if errors:
            return _refused(number, name, errors)
        savepoint = self.session.begin_nested()
        try:
            rule_import = self.save(number, name, data, known)
        except Invalid as refusal:
            savepoint.rollback()
            return _refused(number, name, refusal.errors)
        savepoint.commit()
        return rule_import

    def save(self, number: int, name: str, data: Definition, known: list[int]) -> RuleImport:
        session, data = self.session, data | {"is_active": False}
        if not known:
            rule = self.service.create_rule(session, self.account, data, self.actor, self.now, origin=ORIGIN)
            self.directory.by_id["rule"][rule.id] = self.made[rule.id] = rule.name
            return RuleImport(number, name, "new", None, deepcopy(definition_of(rule)), {}, rule.id)
        rule = session.get_one(AutomationRule, known[0])
        before = deepcopy(definition_of(rule))
        scope = self.actor.scope(self.account.id)
        after = checked(session, self.account, data, rule, scope=scope).model_dump(mode="json")
        if after | {"is_active": before["is_active"]} == before:
            return RuleImport(number, name, "unchanged", before, before, {}, rule.id)
        self.service.update_rule(session, rule, data, self.actor, self.now, origin=ORIGIN)
        return RuleImport(number, name, "changed", before, after, {}, rule.id)


def with_ids(
    rule: Definition, directory: Directory, unknown_sites: dict[str, None] | None = None
) -> tuple[Definition, Errors]:
    """The rule with this account's ids, and errors by path for unknown names."""
    reader = _Names(directory, {} if unknown_sites is None else unknown_sites)
    data = deepcopy(rule)
    data.pop("is_active", None)
    site = data.get("site")
    if isinstance(site, str):
        data["site"] = reader.id_of("site", site, "site")
    if isinstance(sector := data.get("sector"), str):
        data["sector"] = reader.sector_of(data.get("site"), sector, site)

    def swap(whose: str, value: Json, path: str) -> Json:
        return reader.id_of(whose, value, path) if isinstance(value, str) else value

    return swap_references(data, swap), reader.errors


@dataclass
class _Names:
    """Converts names to ids; `unknown_sites` and `errors` collect unknown names."""

    directory: Directory
    unknown_sites: dict[str, None]
    errors: Errors = field(default_factory=dict)

    def sector_of(self, site_id: Json, name: str, site: Json) -> int | None:
        if site_id is None:
            return None
        known = self.directory.by_id["site"].get(site_id) if isinstance(site_id, int) else None
        whole = sector_name(str(site) if known is None else known, name)
        return self.id_of("sector", whole, "sector")

    def id_of(self, whose: str, name: str, path: str) -> int | None:
        found = self.directory.ids(whose, name)
        if len(found) == 1:
            return found[0]
        if not found and whose == "site":
            self.unknown_sites[name] = None
        many = f"Several are called “{name}” here: rename one, or write its number."
        none = f"There is no {WORDS[whose]} “{name}” in this account."
        self.errors.setdefault(path, []).append(many if found else none)
        return None


def _refused(number: int, name: str, errors: Mapping[str, list[str]]) -> RuleImport:
    return RuleImport(number, name[:255], "refused", errors=dict(errors))


def _key(name: Json) -> Json:
    return name_key(name) if isinstance(name, str) else name


def _without_ids(after: Definition | None) -> Definition | None:
    """Ids of rules created during the import differ between preview and import, and are not shown."""
    if after is None:
        return None
    return swap_references(deepcopy(after), lambda whose, value, _path: None if whose == "rule" else value)
