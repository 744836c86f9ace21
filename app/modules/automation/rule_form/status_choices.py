"""Record types and their status changes, as the rule form offers them."""

from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES

RECORD_WORDS = [
    ("keyword", "Keywords"),
    ("cluster", "Clusters"),
    ("idea", "Ideas"),
    ("task", "Tasks"),
    ("content", "Content"),
]


def status_changes(chosen: str | None) -> dict[str, list[tuple[str, str]]]:
    """Every record type with its statuses; several statuses in one choice only where a rule has them already."""
    groups = {
        word: [(f"{name}:", f"{name.capitalize()}: any change of status")]
        + [
            (f"{name}:{value}", f"{name.capitalize()} becomes {label.lower()}")
            for value, label in choices_of(name, "status")
        ]
        for name, word in RECORD_WORDS
    }
    record_type, _, to = (chosen or "").partition(":")
    if record_type in RECORD_TYPES and "," in to:
        groups[dict(RECORD_WORDS)[record_type]].append(
            (chosen or "", f"{record_type.capitalize()} becomes one of: {to}")
        )
    return groups
