"""The versions of a rule: what each of them changed, and why one can no longer be restored."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.rules.checking import checked
from app.business.automation.services.rules.listing import definition_to_restore, version_of
from app.business.errors import Invalid
from app.modules.access import current_person
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.choices import Choices
from app.modules.changes import Change


def changes_of_versions(
    session: Session, rule: AutomationRule, newest_first: Sequence[RuleVersion], choices: Choices
) -> list[list[Change]]:
    """What each of these consecutive versions changed; the first version of a rule changed nothing."""
    if not newest_first:
        return []
    last = newest_first[-1].version
    older = [*newest_first[1:], version_of(session, rule, last - 1)[0] if last > 1 else None]
    return [
        rule_changes(before.definition, version.definition, choices) if before else []
        for version, before in zip(newest_first, older, strict=True)
    ]


def restore_errors(session: Session, rule: AutomationRule, number: int) -> dict[str, list[str]]:
    """Why the version could not be saved now, by field: for example a deleted site, or a changed action."""
    person = current_person()
    try:
        definition = definition_to_restore(session, rule, number)
        checked(session, person.account, definition, rule, scope=person.scope)
    except Invalid as refusal:
        return refusal.errors
    return {}
