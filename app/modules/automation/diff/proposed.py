"""What changes of rules that need a second person would change."""

from collections.abc import Collection, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleVersion
from app.business.automation.rule_change_models import RuleChange
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.choices import Choices
from app.modules.changes import Change


def differences_of(
    session: Session, changes: Sequence[RuleChange], choices: Choices
) -> dict[int, list[Change]]:
    """By change: from the version it was made from, to what it says. Both stay for ever."""
    bases = _bases(session, {(change.rule_id, change.base_version) for change in changes})
    return {
        change.id: rule_changes(
            bases[change.rule_id, change.base_version].definition, change.definition, choices
        )
        for change in changes
    }


def _bases(session: Session, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], RuleVersion]:
    if not wanted:
        return {}
    named = ((RuleVersion.rule_id == rule) & (RuleVersion.version == number) for rule, number in wanted)
    return {
        (row.rule_id, row.version): row for row in session.scalars(select(RuleVersion).where(or_(*named)))
    }
