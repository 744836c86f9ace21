"""Settles the claims of a run's records: handled, free or set aside when it ends; claimed again when it is retried."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.actions.registry import entries_of
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.runs import record_claims, unit_receipts
from app.business.automation.services.runs.context import RunContext, load_context
from app.business.automation.services.runs.follow_up_runs import rest_of
from app.business.automation.services.runs.handed_work import (
    OF_START,
    behind_first_runs,
    followers,
    handed_items,
    is_under_way,
    made_roots,
    starts_of,
)
from app.business.automation.services.runs.lineage import Lineage, receipts_of
from app.business.automation.services.runs.steps import steps_of
from app.business.automation.services.runs.unit_plan import open_units
from app.business.automation.services.runs.unit_receipts import LeftOut, Unit


def settle_claims(session: Session, context: RunContext, *, failed: bool, is_passing: bool = False) -> None:
    """A record is handled when all work on it, and on records created from it, is done or left out.

    is_passing: the faults were transient and are not counted against the records.
    """
    records = context.detail.records or []
    unfinished, begun = _work_left(session, context, records) if failed else (set(), set())
    left = _left_by_followers(session, context)
    unfinished, begun = unfinished | left, begun | left
    handled = set(records) - unfinished - _left_as_they_were(session, context)
    failures = 0 if is_passing else 1
    record_claims.settle(session, context, handled, unfinished=unfinished, begun=begun, failures=failures)


def open_origins(session: Session, context: RunContext, *, is_passing: bool) -> None:
    """A follow-up over created records ended with some undone: release their source records."""
    records = context.detail.records or []
    left = _work_left(session, context, records)[0] if context.run.admitted_at else set(records)
    kept = [(context.run.record_type, sorted(left))]
    kept += [(item["record_type"], item["records"]) for item in rest_of(context).items if item["from_step"]]
    behind = behind_first_runs(session, context)
    roots = frozenset[int]().union(*(made_roots(behind, record_type, ids) for record_type, ids in kept))
    record_claims.open_again(session, context, roots, 0 if is_passing else 1)


def _left_by_followers(session: Session, context: RunContext) -> set[int]:
    """The run's records on which other runs had work when it began, and ended without doing it."""
    items = [item for item in handed_items(context) if OF_START in item]
    left: set[int] = set()
    for start_id in starts_of(context, items):
        runs = followers(session, start_id)
        if is_under_way(runs):
            continue
        done = _done_by(session, context, runs)
        for item in items:
            undone = [key for key in item["records"] if (item["record_type"], key) not in done]
            left |= made_roots(behind_first_runs(session, context), item["record_type"], undone)
    return left & set(context.detail.records or ())


def _done_by(session: Session, context: RunContext, runs: Sequence[ScheduledTask]) -> set[tuple[str, int]]:
    done: set[tuple[str, int]] = set()
    for run in runs:
        if run.admitted_at:
            records = run.detail.records or []
            left, _ = _work_left(session, load_context(session, run, context.now), records)
            done |= {(run.record_type or "", key) for key in records if key not in left}
    return done


def free_begun(session: Session, context: RunContext, records: list[int]) -> None:
    """Release some records of a run that has begun, for another run that continues the work on them."""
    _, begun = _work_left(session, context, records)
    record_claims.free(session, context, [key for key in records if key not in begun])
    record_claims.free(session, context, sorted(begun), unfinished_run_id=context.run.id)


def _work_left(session: Session, context: RunContext, records: list[int]) -> tuple[set[int], set[int]]:
    """Records with unfinished units, and records with any finished work."""
    unfinished, begun = set[int](), set[int]()
    lineage, receipts = Lineage(session, context, records), receipts_of(session, context.run.id)
    for step in steps_of(context):
        for unit in open_units(session, context, step, records).units:
            unfinished |= lineage.of_unit(step, unit)
        for receipt, roots in lineage.note(step, receipts.get(step.index, [])):
            begun |= roots if receipt.status == "done" else set()
    return unfinished, begun


def _left_as_they_were(session: Session, context: RunContext) -> set[int]:
    """Records that an action left unchanged: the rule may take them again after a pause."""
    found: set[int] = set()
    for entry in entries_of(context.definition.actions):
        if entry.left_over and entry.needed == context.run.record_type:
            model = MODELS[entry.takes[0]]
            mine = model.id.in_(context.detail.records or [])
            found.update(session.scalars(select(model.id).where(mine, entry.left_over.clause)))
    return found


def claim_again(session: Session, context: RunContext) -> dict[int, int]:
    """A retried run claims its records again, except those that another run of the rule has claimed since.

    Returns record -> that run, if no records are left to work on.
    """
    records = context.detail.records or []
    if context.run.record_type is None or not records:
        return {}
    elsewhere = record_claims.claim_again(session, context, records)
    if not elsewhere:
        return {}
    holders = record_claims.holders_of(session, context, elsewhere)
    if holders and not record_claims.holds_any(session, context):
        return holders
    _leave(session, context, records, elsewhere)
    return {}


def _leave(session: Session, context: RunContext, records: list[int], elsewhere: Mapping[int, int]) -> None:
    """Leave out units that work only on records of other runs, which continue them."""
    lineage, receipts = Lineage(session, context, records), receipts_of(session, context.run.id)
    for step in steps_of(context):
        for unit in open_units(session, context, step, records).units:
            for part in _parts(lineage, unit, elsewhere):
                reason = LeftOut(f"Run {elsewhere[min(lineage.of_unit(step, part))]} has taken it over.")
                unit_receipts.leave_out(session, context, part, reason, context.now)
        lineage.note(step, receipts.get(step.index, []))


def _parts(lineage: Lineage, unit: Unit, elsewhere: Mapping[int, int]) -> list[Unit]:
    """The unit, if other runs hold all of its records; for a unit over many records, a part for each."""
    roots = lineage.of_unit(unit.step, unit)
    if unit.record_type in ("run", "sector") and unit.step.source in ("run", "records"):
        return [lineage.part(unit, root) for root in sorted(roots & elsewhere.keys())]
    return [unit] if roots and roots <= elsewhere.keys() else []
