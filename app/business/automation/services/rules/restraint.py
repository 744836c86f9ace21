"""Changes that only make a rule do less: renaming, switching off, practising, lowering limits.

They are always accepted, even if the rule is otherwise not valid.
"""

from datetime import UTC, datetime

from pydantic import ValidationError

from app.business.automation.services.catalogue.actions.registry import PLACEHOLDER
from app.business.automation.services.rule_parts import Json, JsonObject, Stored
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.fields import OPTIONS

WORDS = ("name", "description")
LIMITS = tuple(name for name, option in OPTIONS.items() if option.is_limit)
FROM, UNTIL = ("starts_at", "paused_until"), "ends_at"
BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_SOUND: JsonObject = {"name": "A rule", "trigger": "keyword_added", "actions": [PLACEHOLDER]}


def only_restrains(before: Stored, after: Stored) -> bool:
    """Whether the change from one definition to the other is only such a change."""
    changed = [name for name in RuleDefinition.model_fields if before[name] != after[name]]
    return all(_restrains(name, before[name], after[name]) for name in changed)


def restrained(before: Stored, data: Stored) -> JsonObject | None:
    """The new values by name when `data` is only such a change, else None. The definition itself may be invalid."""
    if data.keys() - RuleDefinition.model_fields.keys():
        return None
    after = {**before, **data}
    names = [name for name in RuleDefinition.model_fields if after[name] != before[name]]
    if not set(names) <= {*WORDS, *LIMITS, "is_active"}:
        return None
    try:
        checked = RuleDefinition.model_validate({**_SOUND, **{name: after[name] for name in names}})
    except ValidationError:
        return None
    values = {name: getattr(checked, name) for name in names}
    return values if only_restrains(before, {**before, **values}) else None


def starts_less(before: Json, after: Json) -> bool:
    """Whether a schedule has the same times as before, but begins later, is paused longer or ends earlier."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    if any(before.get(name) != after.get(name) for name in (before.keys() | after.keys()) - {*FROM, UNTIL}):
        return False
    try:
        begins_later = all(_at(before, name, BEGINNING) <= _at(after, name, BEGINNING) for name in FROM)
        return begins_later and _at(after, UNTIL, END) <= _at(before, UNTIL, END)
    except (ValueError, TypeError):  # A stored one that is not valid any more.
        return False


def _at(schedule: Stored, name: str, absent: datetime) -> datetime:
    instant = schedule.get(name)
    return datetime.fromisoformat(instant) if isinstance(instant, str) else absent


def _restrains(name: str, before: Json, after: Json) -> bool:
    if name == "is_active":
        return not after
    if name == "mode":
        return after == "shadow"
    if name in LIMITS:
        lowered = isinstance(after, int) and isinstance(before, int) and after <= before
        return lowered or (before is None and after is not None)
    return name in WORDS
