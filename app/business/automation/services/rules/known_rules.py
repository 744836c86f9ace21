"""Stored rules for lists. A definition is read, checked and put in words once in a process: it hardly ever changes, and
lists show it all day."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache

from sqlalchemy import String, bindparam, cast, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import is_paid
from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.references import (
    Errors,
    Reference,
    references_of,
    unknown_of,
)
from app.business.automation.services.rules.repair import faults_of_stored
from app.business.automation.services.rules.sentence import sound_summary
from app.business.automation.services.rules.versions import RENAMED
from app.business.base import Json
from app.business.kept_queries import kept_queries
from app.business.plain_rows import AnyColumns, AnyQuery, plain_rows
from app.business.ready_statements import Values
from app.business.sql_functions import is_among
from app.business.words_as_text import words_as_text

LOOKED_AT = 100
"""Rules whose faults are looked up at once."""
REMEMBERED = 1_000
"""Definitions, and sentences, that a process remembers."""
KEPT = 64
"""Scopes for which a process keeps the query."""


@dataclass(frozen=True, eq=False)
class KnownRule:
    """What a stored definition says. Rules that say the same share it, so nobody changes any of it."""

    stored: Stored

    @cached_property
    def definition(self) -> RuleDefinition:
        """Parts that are not valid any more are kept as stored."""
        return definition_from(self.stored)

    @cached_property
    def is_paid(self) -> bool:
        """Whether any of its actions can cost credits."""
        return is_paid(self.definition.actions)

    @cached_property
    def errors(self) -> Errors:
        """Validation errors by path; references are not looked up."""
        return faults_of_stored(self.stored)

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        return tuple(references_of(self.stored))

    def summary(self, place: str | None, rules: Mapping[int, str]) -> str:
        """`sound_summary`; `rules`: names by rule id, of those that it references at least."""
        named = {one.id: rules[one.id] for one in self.references if one.kind == "rule" and one.id in rules}
        return _summary(self, place, tuple(named.items()))


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A rule as lists read it. unplanned_from: its first planned time without a run, where it has one."""

    id: int
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    unplanned_from: datetime | None
    known: KnownRule

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def definition(self) -> RuleDefinition:
        return self.known.definition


_OWN = ("id", "version", "created_at", "updated_at", "archived_at", "unplanned_from")
_FIELDS = {name: getattr(AutomationRule, RENAMED.get(name, name)) for name in RuleDefinition.model_fields}
_IS_JSON = tuple(isinstance(column.type, Json) for column in _FIELDS.values())
LISTED = (
    *(getattr(AutomationRule, name) for name in _OWN),
    *(
        cast(column, String).label(name) if is_json else column
        for is_json, (name, column) in zip(_IS_JSON, _FIELDS.items(), strict=True)
    ),
)
"""The columns of a `ListedRule`; JSON as its text, which says whether the definition is known."""


def listed_rules(session: Session, query: AnyQuery, values: Values | None = None) -> list[ListedRule]:
    """The rules of a query of the columns LISTED, with what the session has changed."""
    session.flush()
    return [
        ListedRule(id, version, created_at, updated_at, archived_at, unplanned_from, _known(tuple(said)))
        for id, version, created_at, updated_at, archived_at, unplanned_from, *said in plain_rows(
            session, query, values
        )
    ]


@dataclass(frozen=True)
class RulesRead:
    """Rules of an account by id, each read once for all who ask for it: archived ones are left out."""

    session: Session
    account_id: int
    found: dict[int, ListedRule] = field(default_factory=dict)

    def listed(self, query: AnyQuery, values: Values | None = None) -> list[ListedRule]:
        """The rules of a query of the columns LISTED."""
        rules = listed_rules(self.session, query, values)
        self.found.update((rule.id, rule) for rule in rules)
        return rules

    def of(self, ids: Iterable[int]) -> list[ListedRule]:
        """Those that there are, in the order of their ids."""
        wanted = sorted(set(ids))
        if missing := [id for id in wanted if id not in self.found]:
            self.listed(_of_ids(), {"account_id": self.account_id, "ids": missing})
        return [self.found[id] for id in wanted if id in self.found]


@kept_queries(1)
def _of_ids() -> AnyColumns:
    return select(*LISTED).where(
        AutomationRule.account_id == bindparam("account_id"),
        is_among(AutomationRule.id, "ids"),
    )


def known_rule(rule: AutomationRule) -> KnownRule:
    """What a rule that is loaded, or changed, already says."""
    values = (getattr(rule, column.key) for column in _FIELDS.values())
    return _known(
        tuple(
            json.dumps(value) if is_json else value for is_json, value in zip(_IS_JSON, values, strict=True)
        )
    )


def as_listed(rule: AutomationRule) -> ListedRule:
    """The same in a list."""
    return ListedRule(
        rule.id,
        rule.version,
        rule.created_at,
        rule.updated_at,
        rule.archived_at,
        rule.unplanned_from,
        known_rule(rule),
    )


def faults_of_rules(session: Session, account_id: int, rules: Sequence[ListedRule]) -> dict[int, Errors]:
    """The errors of each rule that needs repair, including references to missing rows."""
    named = {rule.id: rule.known.references for rule in rules}
    unknown = unknown_of(session, Scope(account_id), named)
    found = {rule.id: rule.known.errors or unknown[rule.id] for rule in rules}
    return {rule_id: errors for rule_id, errors in found.items() if errors}


def rules_on(rules: RulesRead, scope: Scope) -> list[ListedRule]:
    """The rules that are on, the newest first; of very many only the newest."""
    return rules.listed(_switched_on(scope))


def broken_rules(rules: RulesRead, scope: Scope) -> list[tuple[ListedRule, Errors]]:
    """The rules that are on and need repair, with their errors, the newest first. Of very many only the newest are
    looked at: each of the others has an incident as soon as a run has failed for it."""
    active = rules_on(rules, scope)
    faults = faults_of_rules(rules.session, scope.account_id, active)
    return [(rule, faults[rule.id]) for rule in active if rule.id in faults]


@kept_queries(KEPT)
def _switched_on(scope: Scope) -> AnyColumns:
    return words_as_text(
        select(*LISTED)
        .where(scope.sees(AutomationRule), AutomationRule.archived_at.is_(None), AutomationRule.is_active)
        .order_by(AutomationRule.id.desc())
        .limit(LOOKED_AT)
    )


@lru_cache(maxsize=REMEMBERED)
def _known(values: tuple[str | int | None, ...]) -> KnownRule:
    return KnownRule(
        {
            name: json.loads(value) if is_json and isinstance(value, str) else value
            for name, is_json, value in zip(_FIELDS, _IS_JSON, values, strict=True)
        }
    )


@lru_cache(maxsize=REMEMBERED)
def _summary(known: KnownRule, place: str | None, rules: tuple[tuple[int, str], ...]) -> str:
    return sound_summary(known.definition, place, dict(rules))
