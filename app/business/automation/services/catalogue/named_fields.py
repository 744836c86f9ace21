"""Fields that a text names in braces, like `Refresh {title}`."""

import re

from app.business.automation.services.catalogue.field_catalogue import fields_of

NAMED = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)?)\}")
CALLED = {"keyword": "text", "cluster": "name", "idea": "title", "task": "title", "content": "title"}
"""What a record of each type is called by: `{name}`, `{title}` and `{text}` are that, whatever the type."""


def field_named(name: str, record_type: str | None) -> str | None:
    """The field that a text means by `{name}`, of a record or, without a type, of the account; None: there is none."""
    if name in fields_of(record_type):
        return name
    return CALLED.get(record_type or "") if name in CALLED.values() else None
