"""What credits are counted by: each entry of the ledger with the rule, site, cause and action that it stands for."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal_column, select
from sqlalchemy.orm import aliased

from app.business.automation.run_models import ScheduledTask
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditEntry, EntryKind

USE = (EntryKind.CHARGE, EntryKind.REFUND)
SOURCE = ("kind", "rule_id", "site_id", "cause", "action")
"""Columns of the daily sums."""


def entries_of(account_id: int, *columns: Any) -> Select[Any]:
    """Of each entry of the account: these columns, id, created_at, kind and amount, its source, and runs, which is 1
    where it is the first that its run was charged."""
    entry, run, unit = CreditEntry, ScheduledTask, ActionRun
    # The condition of the index of units, word for word: over a parameter SQLite would plan anew at each execution.
    cost = unit.credits > literal_column("0")
    return (
        select(
            *columns,
            entry.id,
            entry.created_at,
            entry.kind,
            entry.amount,
            func.coalesce(run.automation_rule_id, 0).label("rule_id"),
            func.coalesce(entry.site_id, run.site_id, 0).label("site_id"),
            func.coalesce(run.cause, "").label("cause"),
            func.coalesce(unit.type, "").label("action"),
            case((_is_first_of_run(), 1), else_=0).label("runs"),
        )
        .outerjoin(run, and_(run.account_id == entry.account_id, run.id == entry.run_id))
        .outerjoin(
            unit,
            and_(unit.account_id == entry.account_id, unit.provider_key == entry.key, cost),
        )
        .where(entry.account_id == account_id)
    )


def _is_first_of_run() -> ColumnElement[bool]:
    entry, other = CreditEntry, aliased(CreditEntry)
    earlier = exists().where(
        other.account_id == entry.account_id,
        other.run_id == entry.run_id,
        other.kind.in_(USE),
        other.id < entry.id,
    )
    return and_(entry.run_id.is_not(None), entry.kind.in_(USE), ~earlier)
