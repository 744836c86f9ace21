"""Two people change one record: the second one is shown both versions, and overwrites nothing unseen."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request
from wtforms import Field, Form, SelectField, TextAreaField

from app.modules.changes import Change
from app.modules.gate.numbers import whole_number

FINGERPRINT = re.compile(r"([a-z_]{1,40}):([0-9a-f]{12})")
NO_VERSION = 0
AROUND, LONGEST = 60, 2_000
NOT_EDITED = ("csrf_token", "place")


@dataclass(frozen=True)
class Begun:
    """The record as it was when the form's page was opened.

    version: None from a form that names none. prints: a fingerprint of each field's value.
    overwrite: the version that the person has been shown and saves over.
    """

    version: int | None
    prints: Mapping[str, str]
    overwrite: int | None

    @property
    def text(self) -> str:
        """The fingerprints as the form sends them."""
        return " ".join(f"{name}:{print}" for name, print in self.prints.items())

    @property
    def seen(self) -> int | None:
        """The version that a save may replace."""
        return self.overwrite or self.version


@dataclass(frozen=True)
class RecordConflict:
    """theirs: labels of the fields that changed since. mine: what saving one's own values would change again."""

    version: int
    theirs: list[str]
    mine: list[Change]


def begun() -> Begun:
    """The state sent with the present request's form."""
    version = request.form.get("version")
    return Begun(
        version=None if version is None else whole_number(version, 1) or NO_VERSION,
        prints=dict(FINGERPRINT.findall(request.form.get("read", "")[:4_000])),
        overwrite=whole_number(request.form.get("overwrite"), 1),
    )


def prints_of(form: Form) -> dict[str, str]:
    """A fingerprint of each field's value."""
    return {name: _fingerprint(field) for name, field in edited_fields(form).items()}


def edited_fields(form: Form) -> dict[str, Field]:
    """The fields that belong to the record."""
    return {name: field for name, field in form._fields.items() if name not in NOT_EDITED}


def touches(present: Form, start: Begun) -> bool:
    """Whether a field of the form has changed since its page was opened."""
    return any(
        start.prints.get(name) != _fingerprint(field) for name, field in edited_fields(present).items()
    )


def merge(typed: Form, present: Form, start: Begun, version: int) -> RecordConflict:
    """Take over into `typed` their changes to fields it left alone; returns the rest, which differs."""
    theirs, mine = [], []
    for name, field in edited_fields(present).items():
        own, before = typed[name], start.prints.get(name)
        if before != _fingerprint(field) and _fingerprint(own) != _fingerprint(field):
            theirs.append(str(field.label.text))
        if before == _fingerprint(own):
            _take(own, field)
        elif _fingerprint(own) != _fingerprint(field):
            mine.append(Change(str(field.label.text), *_excerpts(_shown(field), _shown(own))))
    return RecordConflict(version, theirs, mine)


def _take(own: Field, field: Field) -> None:
    own.data = field.data
    own.raw_data = None


def _fingerprint(field: Field) -> str:
    text = json.dumps(_plain(_typed(field)), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _plain(value: Any) -> Any:
    """The value that a form sends back when nothing was typed."""
    if isinstance(value, str):
        return "\n".join(value.splitlines()).strip()
    return "" if value is None else value


def _shown(field: Field) -> str:
    if isinstance(field, SelectField):
        chosen = [label for value, label, is_chosen, *_ in field.iter_choices() if is_chosen]
        return str(chosen[0]) if chosen else ""
    if isinstance(field.data, list):
        return ", ".join(field.data)
    return str(_plain(_typed(field)))


def _typed(field: Field) -> Any:
    """An article is compared and shown as the text that a person reads, not as HTML."""
    return field._value() if isinstance(field, TextAreaField) else field.data


def _excerpts(before: str, after: str) -> tuple[str | None, str | None]:
    """The part in which two texts differ, with some context."""
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    return _part(before, start, len(before) - end), _part(after, start, len(after) - end)


def _alike(one: str, other: str) -> int:
    """The length of the common beginning."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def _part(text: str, start: int, end: int) -> str | None:
    first, last = max(start - AROUND, 0), min(end + AROUND, len(text), start + LONGEST)
    part = text[first:last]
    return f"{'…' if first else ''}{part}{'…' if last < len(text) else ''}" or None
