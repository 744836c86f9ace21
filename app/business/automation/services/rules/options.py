"""Options that do nothing under a rule's trigger: they are refused beside their field, never kept in vain."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SCHEDULE = "schedule"


@dataclass(frozen=True)
class Idle:
    """An option, where it does nothing, and what to do then."""

    name: str
    where: Callable[[Any], bool]
    why: str


def _by_event(rule: Any) -> bool:
    return bool(rule.trigger != SCHEDULE)


def _without_records(rule: Any) -> bool:
    return rule.record_type is None


def _planned(rule: Any) -> bool:
    return bool(rule.trigger == SCHEDULE)


_LATE = "Only planned times can be missed; events wait until we are back. Leave it out."
_NO_RECORDS = "This rule works on no records. Leave it out."
IDLE = (
    Idle("overlap", _by_event, "Only a planned run can meet the one before it. Leave it at skip."),
    Idle("catch_up", _by_event, _LATE),
    Idle("catch_up_hours", _by_event, _LATE),
    Idle("batching", _planned, "A planned run takes its records together. Leave it at batch."),
    Idle(
        "batching", _without_records, "This rule works on no records to take one by one. Leave it at batch."
    ),
    Idle("record_minimum", _without_records, _NO_RECORDS),
    Idle("record_limit", _without_records, _NO_RECORDS),
    Idle("repeat_after_days", _without_records, _NO_RECORDS),
)


def idle_options(rule: Any, usual: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Options of the rule that are not as `usual` and do nothing, each with what to do."""
    for idle in IDLE:
        if getattr(rule, idle.name) != usual[idle.name] and idle.where(rule):
            yield idle.name, idle.why
