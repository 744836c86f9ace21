"""Runs that a set of statements executes together: free, new, and independent of one another.

The first ones of a batch, in their order, as long as each reads and writes only its own records and what the
statements count for all of them. Any other run ends the set, and is executed after it.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask, Status, Waiting
from app.business.automation.services.actions.handler import Works
from app.business.automation.services.actions.local_handlers import OWN_LABELS, UpdateRecordsWork
from app.business.automation.services.catalogue.record_order import OLDEST
from app.business.automation.services.conditions.nodes import field_names
from app.business.automation.services.draining.plain_run import PlainRun, PlainRuns, RunKind
from app.business.automation.services.draining.set_records import reads_own_columns
from app.business.automation.services.runs import run_incidents
from app.business.automation.services.runs.context import RunContext, load_runs
from app.business.automation.services.runs.gate_verdict import Admission, Stop
from app.business.automation.services.runs.gates import check_account, check_active
from app.business.automation.services.runs.lease import SERIAL_CAUSES
from app.business.automation.services.runs.loop_guard import check_loop
from app.business.automation.services.runs.steps import Step, steps_of
from app.business.errors import Invalid
from app.business.events import EventType
from app.business.outlets.incident_models import Incident, IncidentStatus
from app.business.outlets.webhook_models import Webhook

IsOfPlainRule = Callable[[RunContext, Works], bool]
MOST_RECORDS = 5
DEEPEST = 2
"""Runs that so many others have led to are looked at one by one."""


def first_plain_runs(
    session: Session,
    run_ids: Sequence[int],
    token: str,
    works: Works,
    now: datetime,
    is_of_plain_rule: IsOfPlainRule | None = None,
    most_records: int = MOST_RECORDS,
) -> PlainRuns:
    """The longest prefix of reserved runs that can be executed together; their rows are locked.

    is_of_plain_rule: whether the steps of a run's rule are such, by default those that edit the run's own records.
    """
    chosen = PlainRuns()
    rows: Sequence[_Reserved] = session.execute(_RESERVED.where(*_still(run_ids, token, now))).all()
    if not rows:
        chosen.others = len(run_ids)
        return chosen
    kinds = _plain_kinds(session, rows, works, is_of_plain_rule or edits_own_records, now)
    found = {run.id: run for run in _plain(rows, kinds, most_records)}
    taken: set[tuple[str, int]] = set()
    left = list(run_ids)
    while left and left[0] in found:
        run = found[left[0]]
        if run.keys & taken:
            # It may depend on what one of them does: the next set.
            return chosen
        taken |= run.keys
        chosen.runs[run.id] = run
        left.pop(0)
    chosen.others = sum(1 for _ in takewhile(lambda run_id: run_id not in found, left))
    return chosen


_run = ScheduledTask
_IS_NEW = and_(
    _run.attempt == 0,
    _run.admitted_at.is_(None),
    _run.cancel_requested_at.is_(None),
    _run.waiting_since.is_(None),
    _run.from_step == 0,
    _run.follows_id.is_(None),
    _run.start_id.is_(None),
    _run.split_site_id == 0,
    _run.max_credits.is_(None),
    _run.cause.in_([Cause.EVENT, Cause.MANUAL, Cause.API]),
    _run.depth < DEEPEST,
)
_RESERVED = (
    select(
        _run.id,
        _run.account_id,
        _run.automation_rule_id,
        _run.rule_version,
        _run.site_id,
        _run.sector_id,
        _run.record_type,
        _run.cause,
        _run.depth,
        _run.root_id,
        _run.promised,
        _run.started_at,
        RunDetail.chain,
        RunDetail.records,
        RunDetail.options,
        _IS_NEW.label("is_new"),
    )
    .join(RunDetail, RunDetail.run_id == _run.id)
    .with_for_update(key_share=True, of=_run)
)
_Reserved = Any
"""A row of `_RESERVED`."""


def _is_usual(row: _Reserved) -> bool:
    """Whether the run has not begun, continues no other, and nobody chose anything for it."""
    return bool(row.is_new) and not row.options


def _kind(row: _Reserved) -> Hashable:
    place = row.site_id, row.sector_id, row.record_type
    return row.automation_rule_id, row.rule_version, place, row.cause, row.depth, tuple(row.chain)


def _plain_kinds(
    session: Session,
    rows: Sequence[_Reserved],
    works: Works,
    is_of_plain_rule: IsOfPlainRule,
    now: datetime,
) -> dict[Hashable, RunKind]:
    """The kinds of runs of which all can be plain."""
    entangled = entangled_accounts(session, {row.account_id for row in rows})
    busy = _busy_rules(session, {row.automation_rule_id for row in rows})
    firsts: dict[int, Hashable] = {}
    known: set[Hashable] = set()
    for row in rows:
        is_free = row.account_id not in entangled and row.automation_rule_id not in busy
        if is_free and _is_usual(row) and _kind(row) not in known:
            known.add(firsts.setdefault(row.id, _kind(row)))
    plain = {}
    for context in load_runs(session, list(firsts), now) if firsts else ():
        # A rule that needs repair is not: its runs end as failed, each by itself.
        with suppress(Invalid):
            if is_plain_kind(session, context) and is_of_plain_rule(context, works):
                plain[firsts[context.run.id]] = RunKind(context)
    return plain


def _plain(
    rows: Iterable[_Reserved], kinds: Mapping[Hashable, RunKind], most_records: int
) -> Iterator[PlainRun]:
    for row in rows:
        kind = kinds.get(_kind(row)) if _is_usual(row) else None
        size = len(row.records or ())
        if kind and has_plain_size(kind, size, most_records):
            yield PlainRun(row.id, kind, row.records, row.root_id, row.promised, row.started_at)


def has_plain_size(kind: RunKind, records: int, most: int = MOST_RECORDS) -> bool:
    """Whether a run takes so many given records in the order in which they are given."""
    return records == 1 or (1 < records <= most and kind.context.definition.order == OLDEST)


def _still(run_ids: Sequence[int], token: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    run = ScheduledTask
    begins_at = func.coalesce(run.not_before, run.scheduled_at)
    mine = run.id.in_(run_ids), run.lease_token == token, run.status == Status.PENDING
    return (*mine, run.waiting_for.is_(None), begins_at <= now)


def entangled_accounts(session: Session, account_ids: Collection[int]) -> set[int]:
    """Accounts in which the end of a run starts, sends or wakes something."""
    return set(session.scalars(_ENTANGLED, {"accounts": list(account_ids)}))


def _entangling() -> tuple[ColumnElement[bool], ...]:
    rule, hook, waiter, incident = AutomationRule, Webhook, ScheduledTask, Incident
    waits = waiter.waiting_for.in_([Waiting.PREVIOUS, Waiting.CREDITS])
    follows_runs = rule.trigger == EventType.RUN_FINISHED, rule.is_active
    is_ended_by_runs = incident.status == IncidentStatus.OPEN, run_incidents.is_ended_by_any_run()
    return (
        exists().where(rule.account_id == Account.id, *follows_runs),
        exists().where(hook.account_id == Account.id, hook.is_active),
        exists().where(waiter.account_id == Account.id, waits),
        exists().where(incident.account_id == Account.id, *is_ended_by_runs),
    )


ENTANGLING = _entangling()
"""Whether the account has something that the end of a run starts, sends or wakes."""
_ENTANGLED = select(Account.id).where(Account.id.in_(bindparam("accounts", expanding=True)), or_(*ENTANGLING))


def _busy_rules(session: Session, rule_ids: Collection[int]) -> set[int]:
    """Rules that another worker executes a run of, and whose event runs wait for it."""
    return set(session.scalars(_BUSY, {"rules": list(rule_ids)}))


_BUSY = select(_run.automation_rule_id).where(
    _run.automation_rule_id.in_(bindparam("rules", expanding=True)),
    _run.status == Status.RUNNING,
    _run.cause.in_(SERIAL_CAUSES),
)


def is_plain_kind(session: Session, context: RunContext) -> bool:
    """Whether its runs can be plain, if their steps can."""
    rule = context.rule
    return (
        not (context.has_unfinished or rule.failures_in_a_row)
        and _has_plain_definition(context)
        and not _is_stopped(session, context)
    )


def _has_plain_definition(context: RunContext) -> bool:
    """Whether its version works on records of which their own rows say whether they match."""
    definition, record_type = context.definition, context.run.record_type
    return (
        definition.mode == "live"
        and record_type in OWN_LABELS
        and definition.record_type == record_type
        and reads_own_columns(context.conditions, record_type)
    )


def edits_own_records(context: RunContext, works: Works) -> bool:
    """Whether its steps do nothing but change labels of the run's own records."""
    return all(_edits_own_record(step, works) for step in steps_of(context))


def _edits_own_record(step: Step, works: Works) -> bool:
    """Whether the step does nothing but change labels of the run's own records."""
    work = works[step.entry.key]
    is_edit = isinstance(work, UpdateRecordsWork) and work.takes(step)
    return is_edit and step.source == "records" and _has_plain_condition(step)


def _has_plain_condition(step: Step) -> bool:
    """Whether earlier edits of labels change nothing that the step's condition reads, but the labels."""
    if step.when is None:
        return True
    return reads_own_columns(step.when, step.record_type) and "updated_at" not in field_names(step.when)


def _is_stopped(session: Session, context: RunContext) -> bool:
    gates = (check_active, check_account, check_loop)
    return any(isinstance(gate(session, context, Admission()), Stop) for gate in gates)
