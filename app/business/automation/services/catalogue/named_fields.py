"""Field names in braces in texts, like `Refresh {title}`, and repeated parts: `{each: {title}}`."""

import re
from collections.abc import Iterator

from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.incoming_fields import message_fields
from app.business.automation.services.catalogue.run_fields import RUN_FIELDS
from app.business.events import EventType

NAME = r"\{\s*([A-Za-z_][\w. ]*?)\s*\}"
EACH = r"\{each:((?:[^{}]|\{[^{}]*\})*)\}"
PARTS = re.compile(f"{EACH}|{NAME}")
"""Group 1: the part repeated for each record; group 2: a name. Other braces are plain text."""
NAMES = re.compile(NAME)
OPEN_EACH = re.compile(r"\{\s*each\b", re.IGNORECASE)
CALLED = {"keyword": "text", "cluster": "name", "idea": "title", "task": "title", "content": "title"}
"""The naming field of each record type: `{name}`, `{title}` and `{text}` all refer to it, whatever the type."""


def field_named(name: str, record_type: str | None) -> str | None:
    """The field that `{name}` refers to, of a record or (without a type) of the account; None: there is none."""
    if name in fields_of(record_type):
        return name
    return CALLED.get(record_type or "") if name in CALLED.values() else None


def names_in(text: str) -> Iterator[str]:
    """All names in braces, in order, including those in repeated parts."""
    for each, name in PARTS.findall(text):
        yield from [name] if name else NAMES.findall(each)


def unknown_names(text: str, record_type: str | None, trigger: str) -> list[str]:
    """Names in braces that cannot be filled in for a rule over that record type, without repetition."""
    names = dict.fromkeys(names_in(text))
    of_cause = RUN_FIELDS if trigger == EventType.RUN_FINISHED else {}
    if trigger == EventType.INCOMING:
        of_cause = message_fields(names)
    return [name for name in names if name not in of_cause and field_named(name, record_type) is None]


def has_broken_each(text: str) -> bool:
    """Whether a repeated part is started but not closed."""
    return bool(OPEN_EACH.search(PARTS.sub("", text)))
