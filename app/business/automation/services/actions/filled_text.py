"""Texts that name fields: `Refresh {title}`, `{account.failed_runs_this_month} failed` become what people read."""

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.field_types import Frame
from app.business.automation.services.catalogue.named_fields import NAMED, field_named
from app.business.automation.services.catalogue.run_fields import RUN_FIELDS
from app.business.automation.services.conditions.record_fields import load_values
from app.business.automation.services.runs.run_context import RunContext
from app.business.events import Event, EventType


def fill(
    session: Session, context: RunContext, text: str, record_type: str | None = None, record_id: int = 0
) -> str:
    """`text` with each `{field}` of the record, or without one of the account, as it is now.

    In a rule that follows a finished run, also those of that run; they are empty when somebody started the rule.
    What is in braces and no field stays as it was typed: nothing else is interpreted.
    """
    names = NAMED.findall(text)
    wanted = {name: field_named(name, record_type) for name in names}
    if context.definition.trigger == EventType.RUN_FINISHED:
        wanted |= {name: name for name in names if name in RUN_FIELDS}
    if not any(wanted.values()):
        return text
    values = _of_finished_run(session, context, {name for name in wanted.values() if name in RUN_FIELDS})
    values |= load_values(
        session,
        record_type,
        record_id if record_type else context.account.id,
        {name for name in wanted.values() if name},
        scope=context.scope,
        now=context.now,
        zone=context.zone,
    )
    return NAMED.sub(lambda match: _said(match, wanted, values, context.zone), text)


def _of_finished_run(session: Session, context: RunContext, names: set[str]) -> dict[str, Any]:
    """Those fields of the run whose end started this one; null where no end did."""
    if not names:
        return {}
    frame = Frame(context.scope, context.now, context.zone)
    ended = select(Event.record_id).where(
        Event.account_id == context.account.id,
        Event.batch_id == context.run.batch_id,
        Event.record_type == "run",
    )
    query = select(*(RUN_FIELDS[name].of(ScheduledTask, frame) for name in names)).where(
        ScheduledTask.account_id == context.account.id, ScheduledTask.id == ended.limit(1).scalar_subquery()
    )
    row = session.execute(query).one_or_none() or [None] * len(names)
    return dict(zip(names, row, strict=True))


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
