"""Claims of records, so that a rule takes each record once: unique (rule, record) rows with guarded updates."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, Update, and_, case, false, func, not_, or_, select, true, update
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord, RuleVersion
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.rule_parts import Json
from app.business.automation.services.runs.context import RunContext
from app.business.base import Assigned, RowValues
from app.business.planner.models import Record
from app.business.row_sets import among, upsert_each
from app.business.upsert import upsert_many

FAILURES_TO_SET_ASIDE = 3
CHUNK = 500
UNIQUE = ("rule_id", "record_type", "record_id")


def held_elsewhere(context: RunContext) -> Select[int]:
    """Ids of the records that another run of the rule holds now."""
    return select(RuleRecord.record_id).where(*_of_others(context), RuleRecord.state == "claimed")


def not_handled(context: RunContext, model: type[Record]) -> ColumnElement[bool]:
    """Clause over `model`: except records that the rule has handled or set aside, unless the run takes these too."""
    if _ignores_handled(context):
        return true()
    done = or_(RuleRecord.state == "set_aside", _handled(context))
    return model.id.not_in(select(RuleRecord.record_id).where(*_of_others(context), done))


def not_set_aside(context: RunContext, model: type[Record]) -> ColumnElement[bool]:
    """Clause over `model`: except records set aside after failures, unless the run takes these too."""
    if _ignores_handled(context):
        return true()
    aside = RuleRecord.state == "set_aside"
    return model.id.not_in(select(RuleRecord.record_id).where(*_of_others(context), aside))


def _of_others(context: RunContext) -> tuple[ColumnElement[bool], ...]:
    return (
        RuleRecord.account_id == context.run.account_id,
        RuleRecord.rule_id == context.rule.id,
        RuleRecord.record_type == context.run.record_type,
        RuleRecord.run_id != context.run.id,
    )


def _taken(context: RunContext) -> ColumnElement[bool]:
    taken = RuleRecord.state == "claimed"
    return (
        taken if _ignores_handled(context) else or_(taken, RuleRecord.state == "set_aside", _handled(context))
    )


def _ignores_handled(context: RunContext) -> bool:
    """Whether the run takes records that the rule has handled already: those picked by a person, and those of
    events."""
    return context.detail.records is not None and not is_selected(context)


def is_selected(context: RunContext) -> bool:
    """Whether the given records were selected by the rule's conditions when a person started it."""
    return context.run.cause == Cause.BACKFILL or bool(context.detail.options.get("selected"))


def begun_before(
    session: Session,
    rule_id: int,
    record_type: str | None,
    conditions: Json,
    model: type[Record],
) -> ColumnElement[bool]:
    """Clause over `model`: records that a run of this rule has begun but not finished.

    They matched when they were claimed, and the work has changed them since (a cluster has its ideas now), so
    conditions are not checked again, unless they were edited in the meantime.
    """
    row, run = RuleRecord, ScheduledTask
    unfinished = (
        row.rule_id == rule_id,
        row.record_type == record_type,
        row.unfinished_run_id.is_not(None),
    )
    of_runs = (
        select(run.rule_version).join(row, row.unfinished_run_id == run.id).where(*unfinished).distinct()
    )
    versions = session.execute(
        select(RuleVersion.version, RuleVersion.definition).where(
            RuleVersion.rule_id == rule_id, RuleVersion.version.in_(of_runs)
        )
    )
    same = [version for version, said in versions if said["conditions"] == conditions]
    if not same:
        return false()
    begun = (
        select(row.record_id)
        .join(run, run.id == row.unfinished_run_id)
        .where(*unfinished, run.rule_version.in_(same))
    )
    return model.id.in_(begun)


def _handled(context: RunContext) -> ColumnElement[bool]:
    match context.definition.repeat:
        case "always":
            return false()
        case "after_days":
            days = timedelta(days=context.definition.repeat_after_days or 0)
            return and_(RuleRecord.state == "handled", RuleRecord.handled_at > context.now - days)
        case _:
            return RuleRecord.state == "handled"


def claim(session: Session, context: RunContext, ids: list[int]) -> dict[int, int | None]:
    """Claim the records for this run; returns those it got, in the order of `ids`: record -> run that began it."""
    rows: list[RowValues] = [
        {
            "account_id": context.account.id,
            "rule_id": context.rule.id,
            "record_type": context.run.record_type,
            "record_id": record_id,
            "state": "claimed",
            "run_id": context.run.id,
            "failures": 0,
            "updated_at": context.now,
        }
        for record_id in ids
    ]
    is_free = or_(not_(_taken(context)), RuleRecord.run_id == context.run.id)
    wanted = RuleRecord.record_id, RuleRecord.unfinished_run_id
    changed = ("state", "run_id", "updated_at")
    got: dict[int, int | None] = dict(
        upsert_many(session, RuleRecord, rows, *wanted, unique=UNIQUE, change=changed, where=is_free)
    )
    return {record_id: got[record_id] for record_id in ids if record_id in got}


class Handled(NamedTuple):
    """A record that a first run finishes in the transaction that claims it."""

    account_id: int
    rule_id: int
    record_type: str
    record_id: int
    run_id: int


def claim_as_handled(session: Session, records: Sequence[Handled], now: datetime) -> int:
    """Claim them; returns the number of those that were free."""
    rows: list[RowValues] = [
        {
            **record._asdict(),
            "state": "handled",
            "failures": 0,
            "handled_at": now,
            "updated_at": now,
        }
        # In one order, so that two workers never wait for each other.
        for record in sorted(records)
    ]
    changed = ("state", "run_id", "failures", "handled_at", "updated_at")
    return upsert_each(session, RuleRecord, rows, unique=UNIQUE, change=changed, where=_IS_FREE)


_IS_FREE = and_(RuleRecord.state != "claimed", RuleRecord.unfinished_run_id.is_(None))


def claim_again(session: Session, context: RunContext, ids: list[int]) -> dict[int, int]:
    """Claim the records of a failed run again, and undo its failure count, so that it counts once however often it is
    retried.

    Returns those that another run has claimed since: record -> run.
    """
    failures = case((RuleRecord.failures > 0, RuleRecord.failures - 1), else_=0)
    had = RuleRecord.run_id == context.run.id, RuleRecord.state.in_(["free", "set_aside"])
    elsewhere: dict[int, int] = {}
    for chunk in _chunks(ids):
        session.execute(
            update(RuleRecord)
            .where(*had, _among(context, chunk))
            .values(state="claimed", failures=failures, updated_at=context.now)
            .execution_options(synchronize_session=False)
        )
        taken = select(RuleRecord.record_id, RuleRecord.run_id).where(
            _among(context, chunk), RuleRecord.run_id != context.run.id
        )
        elsewhere.update((record_id, run_id) for record_id, run_id in session.execute(taken))
    return elsewhere


def holders_of(session: Session, context: RunContext, ids: Collection[int]) -> dict[int, int]:
    """Record -> the other run of the rule that holds it now."""
    row, found = RuleRecord, dict[int, int]()
    for chunk in _chunks(list(ids)):
        query = select(row.record_id, row.run_id).where(
            *_of_others(context), row.state == "claimed", row.record_id.in_(chunk)
        )
        found.update((record_id, run_id) for record_id, run_id in session.execute(query))
    return found


def holds_any(session: Session, context: RunContext) -> bool:
    """Whether the run holds a record now."""
    mine = select(RuleRecord.id).where(RuleRecord.run_id == context.run.id, RuleRecord.state == "claimed")
    return session.scalar(mine.limit(1)) is not None


def _among(context: RunContext, ids: Iterable[int]) -> ColumnElement[bool]:
    return and_(
        RuleRecord.rule_id == context.rule.id,
        RuleRecord.record_type == context.run.record_type,
        RuleRecord.record_id.in_(list(ids)),
    )


def settle(
    session: Session,
    context: RunContext,
    handled: Collection[int],
    *,
    unfinished: Collection[int],
    begun: Collection[int],
    failures: int,
) -> None:
    """End the run's claims.

    `handled`: all is done · `unfinished`: free again, or set aside after failures · `begun`: those of them that a later
    run continues. All others become free as if never claimed. failures: added to the count of unfinished records.
    """
    for chunk in _chunks(list(handled)):
        _end(
            session,
            context,
            chunk,
            state="handled",
            handled_at=context.now,
            failures=0,
            unfinished_run_id=None,
        )
    count = RuleRecord.failures + failures
    state = case((count >= FAILURES_TO_SET_ASIDE, "set_aside"), else_="free")
    for is_begun in (True, False):
        origin = context.run.id if is_begun else None
        ids = [record_id for record_id in unfinished if (record_id in begun) == is_begun]
        for chunk in _chunks(ids):
            _end(session, context, chunk, state=state, failures=count, unfinished_run_id=origin)
    release(session, context)


def _end(session: Session, context: RunContext, ids: Sequence[int], **values: Assigned) -> None:
    session.execute(
        _mine(context)
        .where(RuleRecord.record_type == context.run.record_type, among(session, RuleRecord.record_id, ids))
        .values(updated_at=context.now, **values)
    )


def open_again(session: Session, context: RunContext, ids: Collection[int], failures: int) -> None:
    """Release records of work that follow-ups left undone: free for a later run, or set aside after failures.

    Records that a run holds now are not changed.
    """
    row = RuleRecord
    count = row.failures + failures
    for chunk in _chunks(sorted(ids)):
        session.execute(
            update(row)
            .where(
                row.rule_id == context.rule.id,
                row.record_type == context.rule.record_type,
                row.record_id.in_(chunk),
                row.state != "claimed",
            )
            .values(
                state=case((count >= FAILURES_TO_SET_ASIDE, "set_aside"), else_="free"),
                failures=count,
                unfinished_run_id=func.coalesce(row.unfinished_run_id, row.run_id),
                updated_at=context.now,
            )
            .execution_options(synchronize_session=False)
        )


def take_from(session: Session, context: RunContext, run: ScheduledTask, ids: Collection[int]) -> None:
    """Claim records of another run of the rule that ended without finishing them, so that its retry leaves them out."""
    row = RuleRecord
    for chunk in _chunks(sorted(ids)):
        session.execute(
            update(row)
            .where(
                row.rule_id == context.rule.id,
                row.record_type == run.record_type,
                row.record_id.in_(chunk),
                row.run_id == run.id,
                row.state.in_(["free", "set_aside"]),
            )
            .values(state="claimed", run_id=context.run.id, updated_at=context.now)
            .execution_options(synchronize_session=False)
        )


def release(session: Session, context: RunContext) -> None:
    """Release the run's claims without counting failures."""
    session.execute(_mine(context).values(state="free", updated_at=context.now))


def free(session: Session, context: RunContext, ids: list[int], **values: Assigned) -> None:
    """Release the run's claims on these records only."""
    for chunk in _chunks(ids):
        session.execute(
            _mine(context)
            .where(RuleRecord.record_type == context.run.record_type, RuleRecord.record_id.in_(chunk))
            .values(state="free", updated_at=context.now, **values)
        )


def _mine(context: RunContext) -> Update:
    return (
        update(RuleRecord)
        .where(
            RuleRecord.account_id == context.run.account_id,
            RuleRecord.run_id == context.run.id,
            RuleRecord.state == "claimed",
        )
        .execution_options(synchronize_session=False)
    )


def _chunks(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
