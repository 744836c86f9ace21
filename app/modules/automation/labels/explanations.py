"""Verdicts in words, and the note on values that are not from the time in question."""

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.why.reading import Reading
from app.modules.automation.labels.runs import is_practised

VERDICTS = {
    "taken": ("Taken", "good", "circle-check"),
    "waiting": ("Waiting", "warn", "clock"),
    "not_taken": ("Not taken", "quiet", "player-skip-forward"),
    "would": ("Would take it", "info", "info-circle"),
}
PRACTISED = ("Practised", "info", "flask")
SOURCES = {
    "run": "The values are those kept with the run.",
    "event": "The values are those kept when it happened.",
    "unchanged": "The record has not changed since, so these are the values of then.",
    "now": "What the record said then was not kept: the values are as they are now.",
}


def verdict(kind: str, run: ScheduledTask | None) -> tuple[str, str, str]:
    """Word, tone and icon for the result of a record in `run`."""
    return PRACTISED if run is not None and is_practised(run) else VERDICTS[kind]


def as_now_words(reading: Reading) -> str:
    """`As it is now: site language, credits available.` Empty if all values are from the time in question."""
    if reading.source == "now" or not reading.as_now:
        return ""
    fields, relations = fields_of(reading.record_type), relations_of(reading.record_type)
    labels = [
        fields[name].label if name in fields else f"number of {relations[name].label}"
        for name in reading.as_now
        if name in fields or name in relations
    ]
    return f"As it is now: {', '.join(labels)}."
