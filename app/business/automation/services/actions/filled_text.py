"""Texts that name fields: `Refresh {title}`, `{account.failed_runs_this_month} failed` become what people read."""

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.named_fields import NAMED, field_named
from app.business.automation.services.conditions.record_fields import load_values
from app.business.automation.services.runs.run_context import RunContext


def fill(
    session: Session, context: RunContext, text: str, record_type: str | None = None, record_id: int = 0
) -> str:
    """`text` with each `{field}` of the record, or without one of the account, as it is now.

    What is in braces and no field stays as it was typed: nothing else is interpreted.
    """
    wanted = {name: field_named(name, record_type) for name in NAMED.findall(text)}
    if not any(wanted.values()):
        return text
    values = load_values(
        session,
        record_type,
        record_id if record_type else context.account.id,
        {name for name in wanted.values() if name},
        account_id=context.account.id,
        now=context.now,
        zone=context.zone,
    )
    return NAMED.sub(lambda match: _said(match, wanted, values, context.zone), text)


def _said(
    match: re.Match[str], wanted: Mapping[str, str | None], values: Mapping[str, Any], zone: tzinfo
) -> str:
    name = wanted[match[1]] or ""
    return _words(values[name], zone) if name in values else match[0]


def _words(value: Any, zone: tzinfo) -> str:
    match value:
        case None:
            said = ""
        case bool():
            said = "yes" if value else "no"
        case float():
            said = f"{value:,.2f}".rstrip("0").rstrip(".")
        case int():
            said = f"{value:,}"
        case datetime():
            said = f"{value.astimezone(zone):%-d %b %Y, %H:%M}"
        case date():
            said = f"{value:%-d %b %Y}"
        case list():
            said = ", ".join(map(str, value))
        case _:
            said = str(value)
    return said
