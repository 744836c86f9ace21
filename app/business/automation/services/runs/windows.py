"""The number of a start's records that one of its runs takes, and of one run over a batch of events."""

from collections.abc import Sequence

from app.business.automation.services.catalogue.actions.base import MOST_RECORDS, Action
from app.business.automation.services.catalogue.actions.registry import entries_of
from app.business.automation.services.rules.definition import RuleDefinition, usual_limit


def batch_size(actions: Sequence[Action], batching: str) -> int:
    """Records per run when they are given, by events or a person."""
    if batching == "each":
        return 1
    return max((entry.most_records for entry in entries_of(actions)), default=MOST_RECORDS)


def window_of(definition: RuleDefinition, *, picked: bool) -> int:
    """Records per run of a manual start: the rule's limit for selected records, the maximum for given ones."""
    batching = "batch" if definition.trigger == "schedule" else definition.batching
    size = batch_size(definition.actions, batching)
    return size if picked else min(size, definition.record_limit or usual_limit(definition))
