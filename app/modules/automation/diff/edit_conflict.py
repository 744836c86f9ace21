"""Concurrent changes of one rule: the second person is shown both versions, and overwrites nothing unseen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.rules.listing import version_of
from app.business.automation.services.rules.versions import definition_of
from app.business.errors import NotFound, Stale
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404, require_seen
from app.modules.api.records import row_to_change
from app.modules.api.resource import json_of, require_match
from app.modules.automation.api.rule_json import show_rule
from app.modules.automation.api.serializers import RuleShown
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.choices import Choices, load_choices
from app.modules.changes import Change
from app.modules.gate.numbers import NO_ROW, row_id
from app.modules.gate.preconditions import if_match

NOT_TYPED = ("is_active",)
"""Set by the button pressed, not by an input."""


@dataclass(frozen=True)
class RuleConflict:
    """The present version and who saved it; their changes, and what saving the person's own version would change."""

    version: RuleVersion
    saved_by: str | None
    theirs: list[Change]
    mine: list[Change]


def meanwhile(
    rule: AutomationRule, begun_at: int, typed: Mapping[str, Any], choices: Choices
) -> RuleConflict:
    """For the form: `begun_at` is the version that the person started from, `typed` the rule as entered."""
    session = db.session()
    present, saved_by = version_of(session, rule, rule.version)
    begun = version_of(session, rule, begun_at)[0].definition
    mine = present.definition | dict(typed) | {name: present.definition[name] for name in NOT_TYPED}
    mine["record_limit"] = mine["record_limit"] or present.definition["record_limit"]
    return RuleConflict(
        present,
        saved_by,
        rule_changes(begun, present.definition, choices),
        rule_changes(present.definition, mine, choices),
    )


def present_rule(id: int) -> AutomationRule:
    """The rule to act on; with If-Match locked and in that version. Raises NotFound, Stale."""
    if if_match() is None:
        return owned_or_404(AutomationRule, id)
    return rule_to_change(id)


def require_records(rule: AutomationRule, ids: Sequence[int]) -> None:
    """Raises NotFound where a person limited to sites names records of another site; the service checks the rest."""
    if rule.record_type and current_person().scope.sites is not None:
        require_seen(MODELS[rule.record_type], ids)


def rule_to_change(id: int) -> AutomationRule:
    """The rule, locked, in the version given by If-Match. Raises NotFound, Stale."""
    rule = row_to_change(AutomationRule, id)
    require_version(rule, show_rule(rule, datetime.now(UTC)))
    return rule


def require_version(rule: AutomationRule, shown: RuleShown) -> None:
    """Raises Stale with both versions when If-Match names another version than the present one."""
    try:
        require_match(None, rule.version)
    except Stale as refusal:
        refusal.details = {"current": json_of(shown)} | _named(rule)
        raise


def _named(rule: AutomationRule) -> dict[str, Any]:
    """The version given by If-Match, if it exists, and the changes since."""
    session = db.session()
    wanted = if_match()
    tags = wanted.tags if wanted else ()
    number = next((number for tag in tags if (number := row_id(tag))), NO_ROW)
    try:
        version, _ = version_of(session, rule, number)
    except NotFound:
        return {"yours": None, "changes": []}
    changes = rule_changes(
        version.definition, definition_of(rule), load_choices(session, current_person().scope)
    )
    yours = {"id": rule.id, "version": version.version} | version.definition
    return {"yours": yours, "changes": [change.json() for change in changes]}
