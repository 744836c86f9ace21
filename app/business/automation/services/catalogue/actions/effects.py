"""What an action does to records: which it creates, which statuses it sets, and which fields it changes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.rule_parts import Stored
from app.business.events import EventType
from app.business.planner.models import ClusterStatus


@dataclass(frozen=True)
class Creates:
    """Records that an action creates, and the values they certainly have."""

    event: EventType
    record_type: str
    values: Stored


@dataclass(frozen=True)
class StatusChange:
    """A status that an action sets. own: on the records it works on."""

    record_type: str
    to: str
    own: bool = True


@dataclass(frozen=True)
class Effects:
    """Everything an action does to records.

    takes: statuses of records it accepts (None: any) · fields: other fields that it changes on these records ·
    labels_added, labels_removed: names.
    """

    creates: tuple[Creates, ...] = ()
    changes: tuple[StatusChange, ...] = ()
    takes: Collection[str] | None = None
    fields: Collection[str] = ()
    labels_added: Sequence[str] = ()
    labels_removed: Sequence[str] = ()


def cluster_follows() -> tuple[StatusChange, ...]:
    """A cluster is planned while it has open ideas, and done when it has none left."""
    return tuple(
        StatusChange("cluster", status, own=False) for status in (ClusterStatus.PLANNED, ClusterStatus.DONE)
    )


def unknown_effects(events: Sequence[str], takes: Sequence[str]) -> Effects:
    """Effects of an action that declares none: each event it may cause, for any record in any state."""
    known = [EventType(event) for event in events]
    creates = [Creates(event, name, {}) for event in known if (name := TRIGGERS[event].record_type)]
    moved = takes if EventType.STATUS_CHANGED in known else ()
    changes = [
        StatusChange(name, status, own=False) for name in moved for status, _ in choices_of(name, "status")
    ]
    return Effects(tuple(creates), tuple(changes))
