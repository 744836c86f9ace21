"""REST: rules out of and into an account, as YAML with names instead of ids."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify

from app.business.accounts.models import Role
from app.business.automation.services.rules.listing import RuleFilter
from app.business.automation.services.transfer.exporting import export_rules as exported
from app.business.automation.services.transfer.exporting import rules_of_filter, rules_of_ids
from app.business.automation.services.transfer.importing import Arrivals, look_at, take_in
from app.business.automation.services.transfer.yaml_format import read_rules
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.api.resource import checked, json_body, read_query
from app.modules.automation.api.rules import actor
from app.modules.automation.api.serializers import ExportQuery, ImportRules
from app.modules.automation.diff.import_preview import told
from app.modules.quotas import EXPORTS, IMPORTS, limited


@allow(Role.EDITOR)
@limited(EXPORTS)
def export_rules() -> Response:
    """GET export: the rules of the filter, or those named by `rule`."""
    chosen, session, account_id = read_query(ExportQuery), db.session(), current_person().account.id
    on = chosen.get("is_active")
    state = "archived" if chosen.get("archived") else None if on is None else "on" if on else "off"
    filters = RuleFilter(state, chosen.get("trigger"), chosen.get("site"), chosen.get("text"))
    rules = (
        rules_of_ids(session, account_id, chosen["rule"])
        if "rule" in chosen
        else rules_of_filter(session, account_id, filters)
    )
    return yaml_file(exported(session, account_id, rules))


@allow(Role.EDITOR)
@limited(IMPORTS)
def import_rules() -> Response:
    """POST import: what would come of it; with `"dry_run": false` all of it, or nothing when one is refused."""
    asked = checked(ImportRules, json_body())
    session, now, rules = db.session(), datetime.now(UTC), read_rules(asked.yaml)
    account = current_person().account
    if asked.dry_run:
        found = look_at(session, account, rules, actor(), now, asked.sites)
        return jsonify(_shown(found, dry_run=True))
    found = take_in(session, account, rules, actor(), now, asked.sites)
    if errors := _errors(found):
        session.rollback()
        raise Invalid(errors)
    answer = jsonify(_shown(found, dry_run=False))
    session.commit()
    return answer


def yaml_file(text: str, name: str = "rules") -> Response:
    """The text as a file to keep."""
    answer = Response(text, mimetype="application/yaml")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.yaml"'
    return answer


def _shown(found: Arrivals, *, dry_run: bool) -> dict[str, Any]:
    rules = [rule.json() for rule in told(found)]
    if not dry_run:
        for shown, arrival in zip(rules, found.rules, strict=True):
            shown["id"] = arrival.rule_id
    return {"dry_run": dry_run, "rules": rules, "unknown_sites": found.unknown_sites}


def _errors(found: Arrivals) -> dict[str, list[str]]:
    """Every refusal by its place in the file."""
    return {
        f"rules[{rule.number - 1}].{path}": texts
        for rule in found.rules
        for path, texts in rule.errors.items()
    }
