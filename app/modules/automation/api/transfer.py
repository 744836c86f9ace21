"""REST: export and import of rules as YAML with names in place of ids."""

from datetime import UTC, datetime

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.services.transfer.exporting import export_rules as exported
from app.business.automation.services.transfer.exporting import rules_of_filter, rules_of_ids
from app.business.automation.services.transfer.importing import FileImport, apply_import, preview_import
from app.business.automation.services.transfer.yaml_format import read_rules
from app.business.errors import Blocked, Invalid, NotFound
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.api.declaration import Media
from app.modules.api.records import show
from app.modules.api.resource import report
from app.modules.automation.api.answers import ChangeShown, ImportedRule, ImportedRules
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.rules import rule_filter
from app.modules.automation.api.serializers import ExportQuery, ImportRules
from app.modules.automation.diff.import_preview import ImportPreview, import_preview
from app.modules.quotas import EXPORTS, IMPORTS
from app.modules.run_actor import actor

YAML = "application/yaml"


@api.call("GET", "/rules/export/", Role.EDITOR, answers={200: Media(YAML)}, errors=(NotFound,), quota=EXPORTS)
def export_rules(query: ExportQuery) -> Response:
    """The rules that match the filter, or those given by `rule`, as YAML with names in place of ids."""
    session, scope = db.session(), current_person().scope
    rules = (
        rules_of_ids(session, scope, query.rule)
        if query.rule
        else rules_of_filter(session, scope, rule_filter(query))
    )
    return yaml_file(exported(session, scope, rules))


@api.call(
    "POST",
    "/rules/import/",
    Role.EDITOR,
    answers={200: ImportedRules},
    errors=(NotFound, Blocked),
    quota=IMPORTS,
)
def import_rules(body: ImportRules) -> Response:
    """Preview of the import; with `"dry_run": false` all rules are imported, or none if one is refused."""
    session, now, rules = db.session(), datetime.now(UTC), read_rules(body.yaml)
    account = current_person().account
    if body.dry_run:
        found = preview_import(session, account, rules, actor(), now, body.sites)
        return report(_shown(found, dry_run=True))
    found = apply_import(session, account, rules, actor(), now, body.sites)
    if errors := _errors(found):
        session.rollback()
        raise Invalid(errors)
    answer = report(_shown(found, dry_run=False))
    session.commit()
    return answer


def yaml_file(text: str, name: str = "rules") -> Response:
    """The text as a download."""
    answer = Response(text, mimetype=YAML)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.yaml"'
    return answer


def _shown(found: FileImport, *, dry_run: bool) -> ImportedRules:
    rules = [
        _rule(rule, has_id=not dry_run or rule.rule_import.state != "new") for rule in import_preview(found)
    ]
    return ImportedRules(dry_run=dry_run, rules=rules, unknown_sites=found.unknown_sites)


def _rule(rule: ImportPreview, *, has_id: bool) -> ImportedRule:
    rule_import = rule.rule_import
    return ImportedRule(
        number=rule_import.number,
        name=rule_import.name,
        state=rule_import.state,
        id=rule_import.rule_id if has_id else None,
        summary=rule.sentence,
        changes=[show(ChangeShown, change) for change in rule.changes],
        errors=rule_import.errors,
    )


def _errors(found: FileImport) -> dict[str, list[str]]:
    """All errors by their path in the file."""
    return {
        f"rules[{rule.number - 1}].{path}": texts
        for rule in found.rules
        for path, texts in rule.errors.items()
    }
