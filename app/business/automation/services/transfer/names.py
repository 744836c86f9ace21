"""Converts rules between accounts: ids of sites, sectors, rules, people and webhooks to names, and back.

A sector is named with its site (`Acme: Pans` in conditions), a person by e-mail address. Ids of single records
(keywords, clusters …) stay ids, because they have no unique name.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import names_in_parameters
from app.business.automation.services.rule_parts import Json, JsonObject, Stored
from app.business.automation.services.rules.definition import RuleDefinition, definition_from, usual_limit
from app.business.folding import name_key
from app.business.outlets.webhook_models import Webhook
from app.business.planner.models import Sector, Site

LEFT_OUT = ("is_active",)
"""Imported rules are always switched off."""
REFERENCES = {"site": "site", "sector": "sector", "assignee": "person"}
"""Fields of conditions with an id as value -> kind of row."""

Swap = Callable[[str, Json, str], Json]
"""(kind of row, id or name, path in the rule) -> name or id."""


@dataclass
class Directory:
    """The account's rows that rules name: id -> name, by kind. `sites_as`: site ids to use for unknown names."""

    by_id: dict[str, dict[int, str]]
    sites_as: Mapping[str, int] = field(default_factory=dict)

    def name(self, whose: str, id: Json, _path: str) -> Json:
        """The name of the row; unchanged for missing rows, other values, and names that are not unique."""
        name = self.by_id[whose].get(id) if isinstance(id, int) else None
        return name if name is not None and len(self.ids(whose, name)) == 1 else id

    def ids(self, whose: str, name: str) -> list[int]:
        """Ids of the rows with that name; e-mail addresses match in any case."""
        site, colon, sector = name.partition(": ") if whose == "sector" else (name, "", "")
        if whose in ("site", "sector") and site in self.sites_as:
            chosen = self.sites_as[site]
            if not colon:
                return [chosen]
            name = sector_name(self.by_id["site"][chosen], sector)
        if whose == "rule":
            return [id for id, known in self.by_id[whose].items() if name_key(known) == name_key(name)]
        if whose == "person":
            return [id for id, known in self.by_id[whose].items() if known.lower() == name.lower()]
        return [id for id, known in self.by_id[whose].items() if known == name]


def load_directory(session: Session, scope: Scope) -> Directory:
    """Load the rows in scope in five queries, without archived rules; people and webhooks belong to no site."""
    sites = _pairs(session, select(Site.id, Site.name).where(scope.sees(Site)))
    sectors = select(Sector.id, Sector.site_id, Sector.name).where(scope.sees(Sector))
    rules = select(AutomationRule.id, AutomationRule.name).where(
        scope.sees(AutomationRule), AutomationRule.archived_at.is_(None)
    )
    people = select(User.id, User.email).where(User.account_id == scope.account_id)
    webhooks = select(Webhook.id, Webhook.name).where(Webhook.account_id == scope.account_id)
    return Directory(
        {
            "site": sites,
            "sector": {
                id: sector_name(sites[site_id], name) for id, site_id, name in session.execute(sectors)
            },
            "rule": _pairs(session, rules),
            "person": _pairs(session, people),
            "webhook": _pairs(session, webhooks),
        }
    )


def sector_name(site: str, sector: str) -> str:
    """`Acme: Pans`."""
    return f"{site}: {sector}"


def with_names(definition: Stored, directory: Directory) -> JsonObject:
    """The rule as stored in files: names in place of ids, and without default values."""
    usual = definition_from(definition)
    plain: JsonObject = {}
    for key, info in RuleDefinition.model_fields.items():
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        standing = usual_limit(usual) if key == "record_limit" else default
        if key not in LEFT_OUT and (info.is_required() or definition[key] != standing):
            plain[key] = deepcopy(definition[key])
    if definition["record_type"] is None and definition["trigger"] == "schedule":
        plain["record_type"] = None  # If it were absent, the first action's type would be used.
    site, sites = definition["site"], directory.by_id["site"]
    if plain.get("sector") is not None:
        named = directory.name("sector", plain["sector"], "sector")
        if isinstance(named, str):
            plain["sector"] = named.removeprefix(
                f"{sites.get(site, site) if isinstance(site, int) else site}: "
            )
    if plain.get("site") is not None:
        plain["site"] = directory.name("site", site, "site")
    return swap_references(plain, directory.name)


def swap_references(rule: JsonObject, swap: Swap) -> JsonObject:
    """Replace every reference in the trigger, the conditions and the actions; changes `rule` itself."""
    options = rule.get("trigger_options")
    if isinstance(options, dict) and options.get("rule_id") is not None:
        options["rule_id"] = swap("rule", options["rule_id"], "trigger_options.rule_id")
    _swap_conditions(rule.get("conditions"), "conditions", swap)
    actions = rule.get("actions")
    for index, action in enumerate(actions if isinstance(actions, list) else []):
        if isinstance(action, dict):
            params = action.get("params")
            for name, whose in names_in_parameters().items():
                if isinstance(params, dict) and params.get(name) is not None:
                    params[name] = swap(whose, params[name], f"actions[{index}].params.{name}")
            _swap_conditions(action.get("when"), f"actions[{index}].when", swap)
    return rule


def _swap_conditions(node: Json, path: str, swap: Swap) -> None:
    for leaf, where in _leaves(node, path):
        whose = REFERENCES[str(leaf["field"])]
        value = leaf["value"]
        if isinstance(value, list):
            leaf["value"] = [swap(whose, item, f"{where}.value") for item in value]
        elif not isinstance(value, dict) and value is not None:
            leaf["value"] = swap(whose, value, f"{where}.value")


def _leaves(node: Json, path: str) -> Iterator[tuple[JsonObject, str]]:
    """Leaves that reference a row, with their path; including those inside counts."""
    if not isinstance(node, dict):
        return
    if isinstance(node.get("field"), str) and node["field"] in REFERENCES and "value" in node:
        yield node, path
    for key in ("all", "any"):
        children = node.get(key)
        for index, child in enumerate(children if isinstance(children, list) else []):
            yield from _leaves(child, f"{path}.{key}[{index}]")
    for key in ("not", "where"):
        yield from _leaves(node.get(key), f"{path}.{key}")


def _pairs(session: Session, query: Select[int, str]) -> dict[int, str]:
    return dict(iter(session.execute(query)))
