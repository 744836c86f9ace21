"""A rule takes a record once: claims by unique (rule, record) rows, guarded so that two runs never share one."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.services.runs.run_context import RunContext
from app.business.planner.models import Record

FAILURES_TO_SET_ASIDE = 3
CHUNK = 500


def free_to_take(context: RunContext, model: type[Record], *, ignore_handled: bool) -> ColumnElement[bool]:
    """Clause over `model`: records that this run may take.

    Always without those another run holds; without handled and set aside ones unless picked by hand or event.
    """
    taken = RuleRecord.state == "claimed"
    if not ignore_handled:
        taken = or_(taken, RuleRecord.state == "set_aside", _handled(context))
    held = select(RuleRecord.record_id).where(
        RuleRecord.rule_id == context.rule.id,
        RuleRecord.record_type == context.run.record_type,
        RuleRecord.run_id != context.run.id,
        taken,
    )
    return model.id.not_in(held)


def _handled(context: RunContext) -> ColumnElement[bool]:
    match context.definition.repeat:
        case "always":
            return RuleRecord.id.is_(None)
        case "after_days":
            days = timedelta(days=context.definition.repeat_after_days or 0)
            return and_(RuleRecord.state == "handled", RuleRecord.handled_at > context.now - days)
        case _:
            return RuleRecord.state == "handled"


def claim(session: Session, context: RunContext, ids: list[int]) -> list[int]:
    """Take the records for this run; returns those it got, in the order of `ids`."""
    got: set[int] = set()
    for chunk in _chunks(ids):
        got.update(session.scalars(_upsert(session, context, chunk)))
    return [record_id for record_id in ids if record_id in got]


def _upsert(session: Session, context: RunContext, ids: Iterable[int]) -> Any:
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    rows = [
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
    statement = dialect.insert(RuleRecord).values(rows)
    return statement.on_conflict_do_update(
        index_elements=["rule_id", "record_type", "record_id"],
        set_={"state": "claimed", "run_id": context.run.id, "updated_at": context.now},
        where=or_(RuleRecord.state != "claimed", RuleRecord.run_id == context.run.id),
    ).returning(RuleRecord.record_id)


def settle(session: Session, context: RunContext, handled: Iterable[int], *, failed: bool) -> None:
    """End the run's claims: `handled` ones are done; the others are free again, or set aside after failures."""
    for chunk in _chunks(list(handled)):
        session.execute(
            _mine(context)
            .where(RuleRecord.record_id.in_(chunk))
            .values(state="handled", handled_at=context.now, failures=0, updated_at=context.now)
        )
    failures = RuleRecord.failures + (1 if failed else 0)
    session.execute(
        _mine(context).values(
            failures=failures,
            state=case((failures >= FAILURES_TO_SET_ASIDE, "set_aside"), else_="free"),
            updated_at=context.now,
        )
    )


def give_back(session: Session, context: RunContext) -> None:
    """Free the run's claims without judging them."""
    session.execute(_mine(context).values(state="free", updated_at=context.now))


def free(session: Session, context: RunContext, ids: list[int]) -> None:
    """Free the run's claims on these records only."""
    for chunk in _chunks(ids):
        session.execute(
            _mine(context)
            .where(RuleRecord.record_type == context.run.record_type, RuleRecord.record_id.in_(chunk))
            .values(state="free", updated_at=context.now)
        )


def _mine(context: RunContext) -> Any:
    return (
        update(RuleRecord)
        .where(RuleRecord.run_id == context.run.id, RuleRecord.state == "claimed")
        .execution_options(synchronize_session=False)
    )


def _chunks(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
