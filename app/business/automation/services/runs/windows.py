"""How many records of a start one of its runs looks at, and how many one run of a batch of events takes."""

from collections.abc import Sequence

from app.business.automation.services.catalogue.actions.base import MOST_RECORDS, Action
from app.business.automation.services.catalogue.actions.registry import entries_of
from app.business.automation.services.rules.definition import RuleDefinition, usual_limit


def batch_size(actions: Sequence[Action], batching: str) -> int:
    """Records of one run when they were named to it: by events, or by a person."""
    if batching == "each":
        return 1
    return max((entry.most_records for entry in entries_of(actions)), default=MOST_RECORDS)


def window_of(definition: RuleDefinition, *, picked: bool) -> int:
    """Records that one run of a start by hand takes: all that match within the rule's limit, or as named."""
    batching = "batch" if definition.trigger == "schedule" else definition.batching
    size = batch_size(definition.actions, batching)
    return size if picked else min(size, definition.record_limit or usual_limit(definition))
