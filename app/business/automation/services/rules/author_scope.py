"""What the scope of its author allows a rule to name: its site and sector, and for people limited to sites no row of
another site and no action on all of them."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope, owned
from app.business.automation.services.catalogue.actions.switch_rules import PauseRule
from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.references import Errors, unknown_references
from app.business.errors import NotFound
from app.business.planner.models import Sector, Site

ALL_SITES = (
    "You work on some sites only. Choose one of them; a rule for all sites is made by somebody who sees all."
)
SWITCHES_ALL = (
    "This would switch rules of every site, and you work on some only. Name the rule or the site too."
)


def place_errors(session: Session, scope: Scope, definition: RuleDefinition) -> Errors:
    """Errors of the rule's site and sector."""
    errors: Errors = {}
    if definition.site is None and scope.sites is not None:
        errors["site"] = [ALL_SITES]
    for name, model, row_id in (("site", Site, definition.site), ("sector", Sector, definition.sector)):
        try:
            row = owned(session, model, row_id, scope) if row_id is not None else None
        except NotFound:
            errors[name] = [f"{name.capitalize()} {row_id} was not found."]
            continue
        if isinstance(row, Sector) and row.site_id != definition.site:
            errors[name] = [f"Sector {row_id} does not belong to site {definition.site}."]
    return errors


def reach_errors(
    session: Session, scope: Scope, definition: RuleDefinition, before: Stored | None = None
) -> Errors:
    """For authors limited to sites, what reaches beyond them; not what the rule said `before` already."""
    if scope.sites is None:
        return {}
    named: dict[str, Stored] = {"new": definition.model_dump(mode="json")}
    if before is not None:
        named["old"] = before
    unknown = unknown_references(session, scope, named)
    kept = {sentence for sentences in unknown.get("old", {}).values() for sentence in sentences}
    errors = {path: texts for path, texts in unknown["new"].items() if not kept.issuperset(texts)}
    return errors | dict(_switches(definition, before))


def _switches(definition: RuleDefinition, before: Stored | None) -> Iterator[tuple[str, list[str]]]:
    stood = before["actions"] if before else []
    for index, action in enumerate(definition.actions):
        params = action.params
        if not isinstance(params, PauseRule) or params.rule_id is not None or params.site is not None:
            continue
        if not isinstance(stood, list) or action.model_dump(mode="json") not in stood:
            yield f"actions[{index}].params.action", [SWITCHES_ALL]
