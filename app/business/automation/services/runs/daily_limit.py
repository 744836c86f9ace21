"""The gate of the daily limit: a rule's runs of a local day are counted by guarded updates."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from sqlalchemy import ColumnElement, bindparam, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import Reason, Waiting
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission, Stop
from app.business.base import RowValues
from app.business.row_sets import GivenRows, is_on_postgresql, rows_to_select
from app.business.updates import table_of
from app.business.upsert import Given

Guard = Callable[[Given], ColumnElement[bool]]

UNIQUE = ("rule_id", "local_day", "split_site_id")


def check_daily_limit(session: Session, context: RunContext, _admission: Admission) -> str | Stop | None:
    """Count one more run today. Follow-ups count too; retries do not pass this gate again."""
    limit, day = context.rule.max_executions_per_day, context.local_day
    used = take_slots(session, [(context, 1)])
    if used:
        return note_slot(context, used[context.rule.id])
    message = f"Daily limit reached ({limit} of {limit} on {day:%d %b}, {context.account.timezone})."
    return Stop(Reason.DAILY_LIMIT, message, Waiting.DAY)


def take_slots(session: Session, wanted: Sequence[tuple[RunContext, int]]) -> dict[int, int]:
    """Count so many runs of each context's rule today, one context for each rule; returns the numbers counted by now.

    Rules of which not all runs fit are left as they are.
    """
    fitting = [(one, runs) for one, runs in wanted if runs <= one.rule.max_executions_per_day]
    # In one order, so that two workers never wait for each other.
    rows = [_row(context, runs) for context, runs in sorted(fitting, key=lambda pair: pair[0].rule.id)]
    if not rows:
        return {}
    given, values = rows_to_select(session, table_of(RuleDay), rows)
    statement = _counting(is_on_postgresql(session), given, has_slots)
    accounts = frozenset(context.account.id for context, _ in fitting)
    return dict(session.execute(statement, values, execution_options={"accounts": accounts}).all())


@lru_cache(maxsize=64)
def _counting(on_postgresql: bool, given: GivenRows, guard: Guard) -> ReturningInsert[int, int]:
    table = table_of(RuleDay)
    adding = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
    adding = adding.from_select([column.name for column in given.selected_columns], given)
    new = adding.excluded
    change = {"used": table.c.used + new.used}
    counted = adding.on_conflict_do_update(index_elements=UNIQUE, set_=change, where=guard(new))
    return counted.returning(table.c.rule_id, table.c.used)


def used_today(session: Session, contexts: Sequence[RunContext]) -> dict[int, int]:
    """The number of runs counted today of each context's rule, without its sites, as far as there are any."""
    found: dict[int, int] = {}
    for day in {context.local_day for context in contexts}:
        rules = [context.rule.id for context in contexts if context.local_day == day]
        found |= dict(session.execute(_USED, {"day": day, "rules": rules}).all())
    return found


_USED = select(RuleDay.rule_id, RuleDay.used).where(
    RuleDay.rule_id.in_(bindparam("rules", expanding=True)),
    RuleDay.local_day == bindparam("day"),
    RuleDay.split_site_id == 0,
)


def has_slots(new: Given) -> ColumnElement[bool]:
    """The guard: no more runs per day than the limit. new: the row that was given."""
    rule = AutomationRule
    # By its name: as a column it would be one of a table to select from.
    given: ColumnElement[int] = literal_column("excluded.rule_id")
    limit = select(rule.max_executions_per_day).where(rule.id == given)
    fits: ColumnElement[bool] = RuleDay.used + new.used <= limit.scalar_subquery()
    return fits


def note_slot(context: RunContext, used: int) -> str:
    """Note on the run that it has been counted as the day's run number `used`."""
    context.run.counted_day = context.local_day
    return sentence(context.rule, used)


def sentence(rule: AutomationRule, used: int) -> str:
    """What the gate says of the rule's run number `used` of the day."""
    return f"Run {used} of {rule.max_executions_per_day} today."


def _row(context: RunContext, runs: int) -> RowValues:
    return {
        "account_id": context.account.id,
        "rule_id": context.rule.id,
        "local_day": context.local_day,
        "split_site_id": context.run.split_site_id,
        "used": runs,
    }
