"""Fills in the fields in texts: `Refresh {title}`, `{account.failed_runs_this_month} failed`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.field_types import Field, FieldType, FieldValue, Frame
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.incoming_fields import message_fields
from app.business.automation.services.catalogue.named_fields import (
    CALLED,
    NAMES,
    PARTS,
    field_named,
    names_in,
)
from app.business.automation.services.catalogue.run_fields import RUN_FIELDS
from app.business.automation.services.conditions.record_fields import load_rows
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.finished_run import finished_run_id
from app.business.automation.services.runs.incoming_message import facts_of_message
from app.business.events import EventType

MOST_LISTED = 10
"""Records that are named; the others are counted."""
LONGEST_IN_LIST = 200

Row = Mapping[str, FieldValue]


@dataclass(frozen=True)
class _Filling:
    """The values for one text.

    fields: by the names that the text uses · shared: values of the account and of the finished run · rows: values of
    the records · called: their naming field.
    """

    fields: Mapping[str, Field]
    shared: Row
    rows: Sequence[Row]
    called: str | None
    zone: tzinfo


def fill(
    session: Session,
    context: RunContext,
    text: str,
    record_type: str | None = None,
    ids: Sequence[int] = (),
) -> str:
    """`text` with each `{field}` replaced by its present value, of the records or (without records) the account.

    For several records a field becomes a list with its count, and `{each: …}` is repeated for each of them. In a rule
    that follows a finished run, fields of that run are available too; they are empty when a person started the rule.
    Unknown names, which only rules of earlier releases contain, become empty.
    """
    names = list(dict.fromkeys(names_in(text)))
    if not names and not PARTS.search(text):
        return text
    filling = _filling(session, context, names, record_type, ids)
    return PARTS.sub(partial(_part, filling), text)


def _filling(
    session: Session, context: RunContext, names: list[str], record_type: str | None, ids: Sequence[int]
) -> _Filling:
    follows_run = context.definition.trigger == EventType.RUN_FINISHED
    of_run = {name: RUN_FIELDS[name] for name in names if follows_run and name in RUN_FIELDS}
    of_message = message_fields(names if context.definition.trigger == EventType.INCOMING else ())
    own = fields_of(record_type)
    meant = {name: field_named(name, record_type) for name in names if name not in of_run}
    fields = {name: own[field] for name, field in meant.items() if field}
    of_account = {field.name for field in fields.values() if field.name in fields_of(None)}
    of_record = {field.name for field in fields.values()} - of_account
    load = partial(
        load_rows, session, scope=context.scope, now=context.now, zone=context.zone, rule_id=context.rule.id
    )
    account = load(None, [context.account.id], of_account) if of_account else {}
    records = load(record_type, ids, of_record) if of_record else {}
    return _Filling(
        fields=fields | of_run | of_message,
        shared={
            **_of_finished_run(session, context, set(of_run)),
            **_of_message(session, context, set(of_message)),
            **account.get(context.account.id, {}),
        },
        rows=[records.get(record_id, {}) for record_id in ids] if record_type else [],
        called=CALLED.get(record_type or ""),
        zone=context.zone,
    )


def _of_finished_run(session: Session, context: RunContext, names: set[str]) -> dict[str, FieldValue]:
    """These fields of the run that the rule follows; null where there is none."""
    if not names:
        return {}
    frame = Frame(context.scope, context.now, context.zone)
    query = select(*(RUN_FIELDS[name].of(ScheduledTask, frame) for name in names)).where(
        ScheduledTask.account_id == context.account.id, ScheduledTask.id == finished_run_id(session, context)
    )
    row = session.execute(query).one_or_none() or [None] * len(names)
    return dict(zip(names, row, strict=True))


def _of_message(session: Session, context: RunContext, names: set[str]) -> dict[str, FieldValue]:
    """These values of the message that started the run; null where it has none."""
    facts = facts_of_message(session, context) if names else {}
    return {name: facts.get(name) for name in names}


def _part(filling: _Filling, match: re.Match[str]) -> str:
    each, name = match.groups()
    return _over_all(filling, name) if name else _repeated(filling, each.strip(), match)


def _repeated(filling: _Filling, each: str, match: re.Match[str]) -> str:
    """`each` for the first records, on separate lines if it is alone on its line."""
    said = [
        NAMES.sub(lambda name, row=row: _value(filling, name[1], row), each)  # type: ignore[misc]
        for row in filling.rows[:MOST_LISTED] or [{}]
    ]
    more = len(filling.rows) - MOST_LISTED
    before, after = match.string[: match.start()], match.string[match.end() :]
    alone = before.rpartition("\n")[2].strip() in ("", "-", "*") and after.partition("\n")[0].strip() == ""
    if alone and len(said) > 1:
        lead = before.rpartition("\n")[2]
        return f"\n{lead}".join([*said, f"and {more:,} more"] if more > 0 else said)
    return _listed(said, more)


def _over_all(filling: _Filling, name: str) -> str:
    """The value; if it differs between records, all values with their count."""
    field = filling.fields.get(name)
    if field is None or field.name in filling.shared or len(filling.rows) == 1:
        return _value(filling, name, filling.rows[0] if filling.rows else {})
    values = [said for row in filling.rows if (said := _value(filling, name, row))]
    if field.name != filling.called:
        values = list(dict.fromkeys(values))
    if len(values) < 2:
        return values[0] if values else ""
    short = [value if len(value) <= LONGEST_IN_LIST else f"{value[:LONGEST_IN_LIST]}…" for value in values]
    return f"{_listed(short[:MOST_LISTED], len(short) - MOST_LISTED)} ({len(values):,})"


def _listed(said: Sequence[str], more: int) -> str:
    """`A, B and C`, `A, B and 8 more`."""
    if more > 0:
        return f"{', '.join(said)} and {more:,} more"
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _value(filling: _Filling, name: str, row: Row) -> str:
    field = filling.fields.get(name)
    if field is None:
        return ""
    value = filling.shared.get(field.name, row.get(field.name))
    if field.type is FieldType.CHOICE:
        return str(dict(field.choices).get(str(value), value) or "")
    return str(value) if field.type is FieldType.REFERENCE and value else _words(value, filling.zone)


def _words(value: FieldValue, zone: tzinfo) -> str:
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
        case dict():
            said = json.dumps(value, ensure_ascii=False)
        case list():
            said = ", ".join(_words(item, zone) for item in value)
        case _:
            said = str(value)
    return said
