"""Runs that a set of statements executes together: free, new, and independent of one another.

The first ones of a batch, in their order, as long as each reads and writes only its own records and what the
statements count for all of them. Any other run ends the set, and is executed after it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
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
from app.business.automation.services.catalogue.record_order import OLDEST
from app.business.automation.services.conditions.nodes import field_names
from app.business.automation.services.draining.set_records import reads_own_columns
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

IsOfPlainRule = Callable[[RunContext, Works], bool]
DefinitionKey = tuple[int, int, str]
"""Rule, version and record type."""
OWN_EDITS = ("keyword", "cluster", "task")
"""Record types of which an edit of labels changes nothing but the record."""


@dataclass
class PlainRuns:
    """contexts: by run, in order · others: the number of the runs behind them that are not plain."""

    contexts: dict[int, RunContext] = field(default_factory=dict)
    others: int = 0


def _definition(context: RunContext) -> DefinitionKey:
    run = context.run
    return run.automation_rule_id, run.rule_version, str(run.record_type)


def first_plain_runs(
    session: Session,
    run_ids: Sequence[int],
    token: str,
    works: Works,
    now: datetime,
    is_of_plain_rule: IsOfPlainRule | None = None,
) -> PlainRuns:
    """The longest prefix of reserved runs that can be executed together; their rows are locked.

    is_of_plain_rule: whether the steps of a run's rule are such, by default those that edit the run's own records.
    """
    chosen = PlainRuns()
    rows = session.scalars(_RESERVED.where(*_still(run_ids, token, now)), execution_options=_FRESH).all()
    if not rows:
        chosen.others = len(run_ids)
        return chosen
    contexts = {one.run.id: one for one in load_contexts(session, rows, now)}
    rules = _plain_rules(contexts.values(), works, is_of_plain_rule or _edits_own_records)
    entangled = _entangled_accounts(session, {run.account_id for run in rows})
    busy = _busy_rules(session, {run.automation_rule_id for run in rows})
    taken: set[tuple[str, int]] = set()

    def can_be(run_id: int) -> bool:
        context = contexts.get(run_id)
        if context is None or context.account.id in entangled or context.rule.id in busy:
            return False
        return _definition(context) in rules and _is_plain(session, context)

    left = list(run_ids)
    while left and can_be(left[0]):
        context = contexts[left[0]]
        own = {(str(context.run.record_type), key) for key in context.detail.records or ()}
        if own & taken:
            # It may depend on what one of them does: the next set.
            return chosen
        taken |= own
        chosen.contexts[context.run.id] = context
        left.pop(0)
    chosen.others = sum(1 for _ in takewhile(lambda run_id: not can_be(run_id), left))
    return chosen


_FRESH = {"populate_existing": True}
_RESERVED = select(ScheduledTask).with_for_update(key_share=True)


def _plain_rules(
    contexts: Iterable[RunContext], works: Works, is_of_plain_rule: IsOfPlainRule
) -> set[DefinitionKey]:
    """The rules whose runs, in their version, can be plain."""
    firsts: dict[DefinitionKey, RunContext] = {}
    for context in contexts:
        firsts.setdefault(_definition(context), context)
    plain = set()
    for key, context in firsts.items():
        # One that needs repair is not: its runs end as failed, each by itself.
        with suppress(Invalid):
            if _has_plain_definition(context) and is_of_plain_rule(context, works):
                plain.add(key)
    return plain


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


def _is_plain(session: Session, context: RunContext) -> bool:
    run, detail, rule = context.run, context.detail, context.rule
    is_new = run.attempt == 0 and run.admitted_at is None and run.cancel_requested_at is None
    is_first = not (run.from_step or run.follows_id or run.start_id or run.split_site_id)
    size = len(detail.records or ())
    return (
        is_new
        and is_first
        and (size == 1 or (1 < size <= MOST_RECORDS and context.definition.order == OLDEST))
        and run.cause in (Cause.EVENT, Cause.MANUAL, Cause.API)
        and run.waiting_since is None
        and not is_selected(context)
        and not detail.options
        and not (context.max_credits or context.has_unfinished or rule.failures_in_a_row)
        and run.depth < 2
        and not _is_stopped(session, context)
    )


def _has_plain_definition(context: RunContext) -> bool:
    """Whether its version works on records of which their own rows say whether they match."""
    definition, record_type = context.definition, context.run.record_type
    return (
        definition.mode == "live"
        and record_type in OWN_EDITS
        and definition.record_type == record_type
        and reads_own_columns(context.conditions, record_type)
    )


def _edits_own_records(context: RunContext, works: Works) -> bool:
    return all(_edits_own_record(step, works) for step in steps_of(context))


MOST_RECORDS = 5


def _edits_own_record(step: Step, works: Works) -> bool:
    """Whether the step does nothing but change labels of the run's own records."""
    if not isinstance(works[step.entry.key], UpdateRecordsWork):
        return False
    if step.source != "records":
        return False
    params: UpdateRecords = step.params
    others = (params.status, params.assignee, params.due_in_days, params.note)
    return all(other is None for other in others) and _has_plain_condition(step)


def _has_plain_condition(step: Step) -> bool:
    """Whether earlier edits of labels change nothing that the step's condition reads, but the labels."""
    if step.when is None:
        return True
    return reads_own_columns(step.when, step.record_type) and "updated_at" not in field_names(step.when)


def _is_stopped(session: Session, context: RunContext) -> bool:
    gates = (check_active, check_account, check_loop)
    return any(isinstance(gate(session, context, Admission()), Stop) for gate in gates)
