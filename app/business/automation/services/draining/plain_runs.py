"""Runs that a set of statements executes together: free, new, and independent of one another.

The first ones of a batch, in their order, as long as each reads and writes only its own records and what the
statements count for all of them. Any other run ends the set, and is executed after it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile

from sqlalchemy import ColumnElement, func, select, union_all
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask, Status, Waiting
from app.business.automation.services.actions.handler import Works
from app.business.automation.services.actions.local_handlers import UpdateRecordsWork
from app.business.automation.services.catalogue.actions.update_records import UpdateRecords
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.conditions.nodes import Node, counts, field_names
from app.business.automation.services.runs import run_incidents
from app.business.automation.services.runs.context import RunContext, load_contexts
from app.business.automation.services.runs.gate_verdict import Admission, Stop
from app.business.automation.services.runs.gates import check_account, check_active
from app.business.automation.services.runs.lease import SERIAL_CAUSES
from app.business.automation.services.runs.loop_guard import check_loop
from app.business.automation.services.runs.record_claims import is_selected
from app.business.automation.services.runs.steps import Step, steps_of
from app.business.errors import Invalid
from app.business.events import EventType
from app.business.outlets.incident_models import Incident, IncidentStatus
from app.business.outlets.webhook_models import Webhook

GroupKey = tuple[int, int, int | None, str]
OWN_EDITS = ("keyword", "cluster", "task")
"""Record types of which an edit of labels changes nothing but the record."""


@dataclass
class PlainRuns:
    """contexts: by run, in order · groups: runs that share their rule, version and place · others: the number of the
    runs behind them that are not plain."""

    contexts: dict[int, RunContext] = field(default_factory=dict)
    groups: dict[GroupKey, list[int]] = field(default_factory=dict)
    others: int = 0

    def add(self, context: RunContext) -> None:
        run = context.run
        key = (run.automation_rule_id, run.rule_version, run.site_id, str(run.record_type))
        self.contexts[run.id] = context
        self.groups.setdefault(key, []).append(run.id)


def first_plain_runs(
    session: Session, run_ids: Sequence[int], token: str, works: Works, now: datetime
) -> PlainRuns:
    """The longest prefix of reserved runs that can be executed together; their rows are locked."""
    chosen = PlainRuns()
    rows = session.scalars(_RESERVED.where(*_still(run_ids, token, now)), execution_options=_FRESH).all()
    if not rows:
        chosen.others = len(run_ids)
        return chosen
    contexts = {one.run.id: one for one in load_contexts(session, rows, now)}
    entangled = _entangled_accounts(session, {run.account_id for run in rows})
    busy = _busy_rules(session, {run.automation_rule_id for run in rows})
    taken: set[tuple[str, int]] = set()

    def can_be(run_id: int) -> bool:
        context = contexts.get(run_id)
        if context is None or context.account.id in entangled or context.rule.id in busy:
            return False
        return _is_plain_and_valid(session, context, works)

    left = list(run_ids)
    while left and can_be(left[0]):
        context = contexts[left[0]]
        own = {(str(context.run.record_type), key) for key in context.detail.records or ()}
        if own & taken:
            # It may depend on what one of them does: the next set.
            return chosen
        taken |= own
        chosen.add(context)
        left.pop(0)
    chosen.others = sum(1 for _ in takewhile(lambda run_id: not can_be(run_id), left))
    return chosen


_FRESH = {"populate_existing": True}
_RESERVED = select(ScheduledTask).with_for_update(key_share=True)


def _still(run_ids: Sequence[int], token: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    run = ScheduledTask
    begins_at = func.coalesce(run.not_before, run.scheduled_at)
    mine = run.id.in_(run_ids), run.lease_token == token, run.status == Status.PENDING
    return (*mine, run.waiting_for.is_(None), begins_at <= now)


def _entangled_accounts(session: Session, account_ids: Collection[int]) -> set[int]:
    """Accounts in which the end of a run starts, sends or wakes something."""
    rule, hook, waiter = AutomationRule, Webhook, ScheduledTask
    waits = waiter.waiting_for.in_([Waiting.PREVIOUS, Waiting.CREDITS])
    follows_runs = rule.trigger == EventType.RUN_FINISHED, rule.is_active
    incident = Incident
    is_ended_by_runs = incident.status == IncidentStatus.OPEN, run_incidents.is_ended_by_any_run()
    found = union_all(
        select(rule.account_id).where(rule.account_id.in_(account_ids), *follows_runs),
        select(hook.account_id).where(hook.account_id.in_(account_ids), hook.is_active),
        select(waiter.account_id).where(waiter.account_id.in_(account_ids), waits),
        select(incident.account_id).where(incident.account_id.in_(account_ids), *is_ended_by_runs),
    )
    return set(session.scalars(found))


def _busy_rules(session: Session, rule_ids: Collection[int]) -> set[int]:
    """Rules that another worker executes a run of, and whose event runs wait for it."""
    run = ScheduledTask
    running = run.status == Status.RUNNING, run.cause.in_(SERIAL_CAUSES)
    return set(
        session.scalars(select(run.automation_rule_id).where(run.automation_rule_id.in_(rule_ids), *running))
    )


def _is_plain_and_valid(session: Session, context: RunContext, works: Works) -> bool:
    try:
        return _is_plain(session, context, works)
    except Invalid:
        # It ends as failed, like any run of a rule that needs repair.
        return False


def _is_plain(session: Session, context: RunContext, works: Works) -> bool:
    run, detail, rule = context.run, context.detail, context.rule
    is_new = run.attempt == 0 and run.admitted_at is None and run.cancel_requested_at is None
    is_first = not (run.from_step or run.follows_id or run.start_id or run.split_site_id)
    is_small = bool(detail.records) and len(detail.records or ()) <= MOST_RECORDS
    return (
        is_new
        and is_first
        and is_small
        and run.cause in (Cause.EVENT, Cause.MANUAL, Cause.API)
        and run.waiting_since is None
        and not is_selected(context)
        and not detail.options
        and not (context.max_credits or context.has_unfinished or rule.failures_in_a_row)
        and run.depth < 2
        and context.definition.mode == "live"
        and context.definition.record_type == run.record_type
        and _reads_own_columns(context.conditions, run.record_type)
        and all(_edits_own_record(step, run.record_type, works) for step in steps_of(context))
        and not _is_stopped(session, context)
    )


MOST_RECORDS = 5


def _reads_own_columns(node: Node, record_type: str | None) -> bool:
    known = fields_of(record_type)
    return not counts(node) and all(name in known and known[name].column for name in field_names(node))


def _edits_own_record(step: Step, record_type: str | None, works: Works) -> bool:
    """Whether the step does nothing but change labels of the run's own records."""
    if not isinstance(works[step.entry.key], UpdateRecordsWork):
        return False
    if step.source != "records" or record_type not in OWN_EDITS:
        return False
    params: UpdateRecords = step.params
    others = (params.status, params.assignee, params.due_in_days, params.note)
    return all(other is None for other in others) and _has_plain_condition(step)


def _has_plain_condition(step: Step) -> bool:
    """Whether earlier edits of labels change nothing that the step's condition reads, but the labels."""
    if step.when is None:
        return True
    return _reads_own_columns(step.when, step.record_type) and "updated_at" not in field_names(step.when)


def _is_stopped(session: Session, context: RunContext) -> bool:
    gates = (check_active, check_account, check_loop)
    return any(isinstance(gate(session, context, Admission()), Stop) for gate in gates)
