"""A run continues work that an earlier one left unfinished: finished units are taken over, free of charge.

The receipts of finished units are copied with the id of the run that did them. The earlier run's actions may differ
from this run's: units that created records are taken over if the action creates the same type (they are paid for and
exist), whatever its other parameters; units that only changed records or sent notices are repeated if their parameters
have changed, because the person wants the new ones, and they are free.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.run_documents import PendingWork
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import made_by
from app.business.automation.services.runs.context import RunContext, load_context
from app.business.automation.services.runs.gate_verdict import Admission
from app.business.automation.services.runs.handed_work import (
    OF_START,
    Behind,
    followers,
    handed_items,
    is_under_way,
    roots_behind,
    starts_of,
    walked,
)
from app.business.automation.services.runs.lineage import Lineage, Receipt, Roots, receipts_of
from app.business.automation.services.runs.record_claims import take_from
from app.business.automation.services.runs.start_list import start_of
from app.business.automation.services.runs.steps import Step, input_ids, steps_of
from app.business.automation.services.runs.unit_receipts import unit_key
from app.business.automation.unit_models import ActionRun
from app.business.base import RowValues

Origins = dict[int, int]
"""Record -> the run that left it unfinished."""
Finished = dict[tuple[int, str, int], tuple[Receipt, Roots]]
"""Work of earlier runs, by this run's step, record type and record id."""
CHUNK = 500


def unfinished_of(session: Session, context: RunContext, records: Sequence[int]) -> Origins:
    """Those of the records that another run of this rule has begun but not finished."""
    if context.run.record_type is None or not context.has_unfinished:
        return {}
    row, found = RuleRecord, Origins()
    for start in range(0, len(records), CHUNK):
        query = select(row.record_id, row.unfinished_run_id).where(
            row.rule_id == context.rule.id,
            row.record_type == context.run.record_type,
            row.record_id.in_(records[start : start + CHUNK]),
            row.unfinished_run_id.is_not(None),
            row.unfinished_run_id != context.run.id,
        )
        found.update((record_id, run_id) for record_id, run_id in session.execute(query) if run_id)
    return found


def go_on(
    session: Session,
    context: RunContext,
    admission: Admission,
    records: list[int],
    origins: Mapping[int, int],
) -> bool:
    """Take over finished work on these records, which are all records of the run; returns whether anything changed."""
    if origins == admission.origins and (not origins or records == admission.continued_records):
        return False
    take_over(session, context, records, origins)
    admission.origins, admission.continued_records = dict(origins), records
    return True


def take_over(
    session: Session, context: RunContext, records: Sequence[int], origins: Mapping[int, int]
) -> None:
    """Copy the receipts of finished work on `records`, which are all records of this run; the run has not begun yet.

    When called again with fewer records, it starts over.
    """
    context.took_over = True
    session.execute(
        delete(ActionRun).where(
            ActionRun.account_id == context.run.account_id, ActionRun.run_id == context.run.id
        )
    )
    _forget_handed_on(context)
    wanted = [record_id for record_id in records if record_id in origins]
    if not wanted:
        return
    done = _finished_elsewhere(session, context, {key: origins[key] for key in wanted})
    lineage = Lineage(session, context, records)
    for step in steps_of(context):
        rows = _rows(session, context, step, list(records), lineage, done)
        for start in range(0, len(rows), CHUNK):
            session.execute(insert(ActionRun), rows[start : start + CHUNK])
        lineage.note(step, receipts_of(session, context.run.id).get(step.index, []))


def _finished_elsewhere(session: Session, context: RunContext, origins: Origins) -> Finished:
    by_run: dict[int, list[int]] = defaultdict(list)
    for record_id, run_id in origins.items():
        by_run[run_id].append(record_id)
    done: Finished = {}
    for run_id, records in by_run.items():
        earlier = load_context(session, session.get_one(ScheduledTask, run_id), context.now)
        lineage = _note_finished(session, context, earlier, records, done)
        _note_followers(session, context, earlier, lineage, done)
    return done


def _forget_handed_on(context: RunContext) -> None:
    items = context.detail.options.get("handed_on", [])
    if any(OF_START in item for item in items):
        own = [item for item in items if OF_START not in item]
        context.detail.options = context.detail.options | {"handed_on": own}


def _note_followers(
    session: Session, context: RunContext, earlier: RunContext, lineage: Lineage, done: Finished
) -> None:
    """Work that the earlier run passed on: left to the runs that have it, or taken over from them."""
    behind = dict(lineage.made)
    for start_id in starts_of(earlier, handed_items(earlier)):
        runs = followers(session, start_id)
        if is_under_way(runs):
            _leave_to_followers(context, earlier, start_id, behind)
            continue
        for run in runs:
            _take_over_from(session, context, load_context(session, run, context.now), behind, done)


def _leave_to_followers(context: RunContext, earlier: RunContext, start_id: int, behind: Behind) -> None:
    places = _same_steps(steps_of(earlier), steps_of(context))
    left: list[PendingWork] = []
    for item in handed_items(earlier):
        if (item.get(OF_START) or start_of(earlier.run)) == start_id and item["from_step"] in places:
            ours = [key for key in item["records"] if behind.get((item["record_type"] or "", key))]
            left.append(item | {"from_step": places[item["from_step"]], "records": ours, OF_START: start_id})
    options = context.detail.options
    context.detail.options = options | {"handed_on": [*options.get("handed_on", []), *left]}


def _take_over_from(
    session: Session, context: RunContext, later: RunContext, behind: Behind, done: Finished
) -> None:
    places = _same_steps(steps_of(later), steps_of(context))
    for step, receipt, own, lineage in walked(session, later):
        roots = roots_behind(later, own, behind)
        if receipt.status == "done" and roots and step.index in places:
            for record_type, record_id, part in _parts(lineage, receipt, roots, context.run.record_type):
                _add(done, (places[step.index], record_type, record_id), part, roots)
        for made_type, ids in receipt.made.items():
            behind.update({(made_type, key): roots for key in ids})
    record_type = later.run.record_type or ""
    ours = [key for key in later.detail.records or () if behind.get((record_type, key))]
    take_from(session, context, later.run, ours)


def _note_finished(
    session: Session, context: RunContext, earlier: RunContext, records: Sequence[int], done: Finished
) -> Lineage:
    lineage, receipts = Lineage(session, earlier, records), receipts_of(session, earlier.run.id)
    places = _same_steps(steps_of(earlier), steps_of(context))
    for step in steps_of(earlier):
        for receipt, roots in lineage.note(step, receipts.get(step.index, [])):
            if _is_taken_over(step, receipt) and roots and step.index in places:
                for record_type, record_id, part in _parts(lineage, receipt, roots, context.run.record_type):
                    _add(done, (places[step.index], record_type, record_id), part, roots)
    return lineage


def _is_taken_over(step: Step, receipt: Receipt) -> bool:
    """Finished units; and for steps with a condition also begun ones, for which the condition is not checked again."""
    if step.entry.decides:
        # The answer was given for what the other run was to do.
        return False
    is_begun = receipt.status in ("started", "failed") and receipt.record_type not in ("run", "sector")
    return receipt.status == "done" or (is_begun and bool(step.action.when))


def _add(done: Finished, key: tuple[int, str, int], receipt: Receipt, roots: Roots) -> None:
    before = done.get(key)
    done[key] = (receipt, roots | before[1] if before else roots)


def _parts(
    lineage: Lineage, receipt: Receipt, roots: Roots, record_type: str | None
) -> Iterable[tuple[str, int, Receipt]]:
    """Splits units over many records into one part for each, because the next run may have other records too."""
    if receipt.record_type not in ("run", "sector"):
        yield receipt.record_type, receipt.record_id, receipt
        return
    made_of: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for made_type, ids in receipt.made.items():
        for made_id in ids:
            if behind := lineage.behind(made_type, made_id, roots):
                made_of[min(behind)][made_type].append(made_id)
    for root in sorted(roots):
        yield record_type or "", root, receipt.with_made(dict(made_of[root]))


def _rows(
    session: Session,
    context: RunContext,
    step: Step,
    records: list[int],
    lineage: Lineage,
    done: Finished,
) -> list[RowValues]:
    """The receipts with which this run begins the step."""
    own_type = context.run.record_type or ""
    rows = [
        _row(context, step, own_type, record_id, done[step.index, own_type, record_id][0])
        for record_id in records
        if (step.index, own_type, record_id) in done and step.source in ("records", "run")
    ]
    if step.source in ("records", "run"):
        return rows
    for record_id in input_ids(session, context, step, records):
        known = done.get((step.index, step.record_type or "", record_id))
        if known and lineage.of(step, step.record_type or "", record_id) <= known[1]:
            rows.append(_row(context, step, step.record_type or "", record_id, known[0]))
    return rows


def _row(context: RunContext, step: Step, record_type: str, record_id: int, receipt: Receipt) -> RowValues:
    is_done = receipt.status == "done"
    return {
        "account_id": context.account.id,
        "run_id": context.run.id,
        "step": step.index,
        "type": step.entry.key,
        "record_type": record_type,
        "record_id": record_id,
        "status": "done" if is_done else "started",
        "provider_key": receipt.provider_key if is_done else unit_key(context.run.id, step.index, record_id),
        "attempts": receipt.attempts,
        "records": receipt.records,
        "made": receipt.made,
        "message": receipt.message if is_done else "",
        "done_by_run_id": receipt.run_id if is_done else None,
        "started_at": receipt.started_at,
        "finished_at": receipt.finished_at if is_done else None,
    }


def _same_steps(earlier: Sequence[Step], steps: Sequence[Step]) -> dict[int, int]:
    """Index of the earlier run's step -> index of the equivalent step of this run."""
    places: dict[int, int] = {}
    for step in steps:
        same = (old.index for old in earlier if old.index not in places and _is_same(old.action, step.action))
        if (index := next(same, None)) is not None:
            places[index] = step.index
    return places


def _is_same(earlier: Action, action: Action) -> bool:
    if earlier.type != action.type:
        return False
    made = made_by(action)
    if made is not None:
        return made == made_by(earlier)
    return bool(earlier.params_as_json() == action.params_as_json())
