"""Planning: every due instant of every active scheduled rule gets exactly one row, ahead of time.

`unplanned_from` is a rule's first due instant without a row, on any of its sites. Rows and the new value are written in
one transaction that locks the rule's row, so planning windows may overlap, and a second planner finds nothing to do.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.calendars.applied_calendars import ClosedRules, closed_rules
from app.business.automation.services.calendars.closed_times import Settled
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.due_rule import COLUMNS, DueRule
from app.business.automation.services.runs.missed_times import (
    EDITED,
    LATE,
    apply_catch_up,
    closed_runs,
    missed_runs,
    planned_run,
)
from app.business.automation.services.runs.planned_runs import (
    PlannedKey,
    PlannedRun,
    open_planned,
    planned_keys,
    planned_runs,
)
from app.business.automation.services.schedules.calendar import (
    Schedule,
    due_instants,
    due_window,
    first_due_after,
)
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering import activations
from app.business.automation.services.triggering.planning_pace import PlanningPace
from app.business.base import RowValues
from app.business.database_faults import in_one_line, stops_all
from app.business.errors import Invalid

WINDOW = timedelta(minutes=17)
"""The planner's interval of 15 minutes, and two minutes for delays."""
TINY = timedelta(microseconds=1)


class MovedMeanwhile(Exception):
    """A rule changed between its reading and its lock: the whole set must be rolled back."""


@dataclass(frozen=True)
class Planned:
    """The number of rules planned, and the rules that could not be planned, with the reason."""

    rules: int = 0
    failed: tuple[tuple[int, str], ...] = ()


@dataclass
class PlannedSet:
    """The result for a set of rules. `left`: those beyond the pace, still to be planned."""

    runs: list[PlannedRun] = field(default_factory=list)
    moves: list[RowValues] = field(default_factory=list)
    failed: list[tuple[int, Exception]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)


def plan(transaction: Transaction, now: datetime) -> Planned:
    """Plan every rule with a due instant in the window. An invalid rule does not affect others.

    Rules whose sites, zones or account changed since are planned again first.
    """
    with transaction() as session:
        outdated = dict.fromkeys(activations.outdated_rules(session))
        soon = select(AutomationRule.id).where(AutomationRule.unplanned_from <= now + WINDOW)
        coming = session.scalars(soon.order_by(AutomationRule.unplanned_from, AutomationRule.id)).all()
    due = [rule_id for rule_id in coming if rule_id not in outdated]
    failed = _one_by_one(transaction, outdated, _replan_one, now) + _by_set(transaction, due, now)
    lines = tuple((rule_id, in_one_line(error)) for rule_id, error in failed)
    return Planned(len(outdated) + len(due) - len(failed), lines)


def _by_set(transaction: Transaction, rule_ids: Sequence[int], now: datetime) -> list[tuple[int, Exception]]:
    """Plan the rules in short transactions, so that other writers do not wait long; returns those that failed."""
    pace, failed = PlanningPace(), []
    while rule_ids:
        some, rest = rule_ids[: pace.rows], rule_ids[pace.rows :]
        try:
            with transaction() as session:
                planned = plan_set(session, some, now, pace)
            pace.finish(len(planned.runs))
            failed += planned.failed
            rule_ids = [*planned.left, *rest]
        except Exception as error:
            if stops_all(error):
                raise
            failed += _one_by_one(transaction, some, _plan_one, now)
            rule_ids = rest
    return failed


def _one_by_one(
    transaction: Transaction,
    rule_ids: Iterable[int],
    work: Callable[[Session, int, datetime], None],
    now: datetime,
) -> list[tuple[int, Exception]]:
    failed = []
    for rule_id in rule_ids:
        try:
            with transaction() as session:
                work(session, rule_id, now)
        except Exception as error:
            if stops_all(error):
                raise
            failed.append((rule_id, error))
    return failed


def _replan_one(session: Session, rule_id: int, now: datetime) -> None:
    replan(session, session.get_one(AutomationRule, rule_id), now)


def _plan_one(session: Session, rule_id: int, now: datetime) -> None:
    for _, error in plan_set(session, [rule_id], now, PlanningPace()).failed:
        raise error


def plan_rule(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Write the rows of all due instants in the window, and move `unplanned_from` beyond it."""
    session.flush()
    _plan_one(session, rule.id, now)


def plan_set(session: Session, rule_ids: Iterable[int], now: datetime, pace: PlanningPace) -> PlannedSet:
    """Plan the rules in bulk, as many as the pace allows. A rule that is not valid is left as it is."""
    until = now + WINDOW
    rules = _hold_due(session, rule_ids, until)
    pace.start()
    spans = activations.in_force(session, [rule.id for rule in rules])
    written = _written(session, rules, until)
    closed = closed_rules(
        session, [rule for rule in rules if rule.id in spans and spans[rule.id].may_be_closed]
    )
    planned = PlannedSet()
    for rule in rules:
        if rule.id not in spans:
            continue
        if len(planned.runs) >= pace.rows:
            planned.left.append(rule.id)
            continue
        try:
            runs, first = _window_of(rule, spans[rule.id].zones, written, closed, now)
        except Exception as error:
            planned.failed.append((rule.id, error))
            continue
        planned.runs += runs
        planned.moves.append(_move_of(rule, first))
    open_planned(session, planned.runs, now)
    _move(session, planned.moves)
    return planned


def _hold_due(session: Session, rule_ids: Iterable[int], until: datetime) -> list[DueRule]:
    """Lock the rows of rules that are still due until the transaction ends, and reload them."""
    rule = AutomationRule
    query = select(*COLUMNS).where(rule.id.in_(list(rule_ids)), rule.unplanned_from <= until)
    held = session.execute(query.order_by(rule.id).with_for_update(key_share=True))
    return [DueRule(*row) for row in held]


def _written(session: Session, rules: Sequence[DueRule], until: datetime) -> Set[PlannedKey]:
    """The times of the rules that have a row: a run cancelled or begun ahead of time keeps its row."""
    if not rules:
        return set()
    start = min(rule.unplanned_from for rule in rules)
    return planned_keys(session, [rule.id for rule in rules], start, until)


def _window_of(
    rule: DueRule, zones: Mapping[str, str], written: Set[PlannedKey], closed: ClosedRules, now: datetime
) -> tuple[list[PlannedRun], datetime | None]:
    """For one rule: the runs of all due instants in the window, and the first instant beyond it."""
    runs: list[PlannedRun] = []
    firsts: list[datetime] = []
    for site_id, schedule in activations.site_schedules(rule, zones).items():
        due, first = due_window(schedule, rule.unplanned_from - TINY, now + WINDOW)
        times = closed.of(rule, site_id)
        new = (at for at in due if (rule.id, site_id, at) not in written)
        runs += _runs_of(rule, [times.settle(schedule, at) for at in new], now, site_id)
        firsts += [first] if first else []
    return runs, min(firsts, default=None)


def _runs_of(rule: DueRule, due: list[Settled], now: datetime, site_id: int) -> list[PlannedRun]:
    """Rows of skipped times too: those of the past at once, later ones as runs that their time ends."""
    runs = closed_runs(
        rule,
        [one for one in due if one.start_at is None and one.planned_at <= now],
        site_id=site_id,
        version=rule.version,
    )
    coming = [one for one in due if one.start_at is None and one.planned_at > now]
    starting = {one.start_at: one for one in due if one.start_at is not None}
    starts = sorted(starting)
    missed = [at for at in starts if at < now - LATE]
    if missed:
        due_at = max((at for at in starts[len(missed) :] if at <= now), default=None)
        verdict = apply_catch_up(rule, missed, now, due_at)
        lost = sorted(starting[at].planned_at for at in verdict.lost)
        runs += missed_runs(rule, lost, verdict.why, site_id=site_id, version=rule.version)
        # With catch-up "all" they run one after another, whatever the rule's overlap setting.
        options = {"in_turn": True} if rule.catch_up == "all" else {}
        runs += [planned_run(rule, starting[at], site_id, **options) for at in verdict.made_up]
    coming += [starting[at] for at in starts[len(missed) :]]
    return runs + [planned_run(rule, one, site_id) for one in coming]


def _move_of(rule: DueRule, first: datetime | None) -> RowValues:
    """Parameter names differ from the columns; change hints read the account from `account_id_1`."""
    held: RowValues = {"rule_id": rule.id, "account_id_1": rule.account_id, "start": rule.unplanned_from}
    return held | {"first": first}


_MOVED = (
    update(AutomationRule)
    .where(
        AutomationRule.id == bindparam("rule_id"),
        AutomationRule.account_id == bindparam("account_id_1"),
        AutomationRule.unplanned_from == bindparam("start"),
    )
    .values(unplanned_from=bindparam("first"))
)


def _move(session: Session, moves: list[RowValues]) -> None:
    """Set each rule's `unplanned_from` to its first instant beyond the window; all of them, or none."""
    if not moves:
        return
    # A statement of the ORM takes one row of values only.
    moved = session.connection().execute(_MOVED, moves)
    if moved.rowcount != len(moves):
        raise MovedMeanwhile
    for move in moves:
        if rule := session.identity_map.get(identity_key(AutomationRule, move["rule_id"])):
            set_committed_value(rule, "unplanned_from", move["first"])


def replan(session: Session, rule: AutomationRule, now: datetime) -> None:
    """After a save, a switch, a resume or a change of its sites: withdraw planned rows, and plan again from now on.

    Past times without a row are recorded as missed.
    """
    _hold(session, rule)
    _record_owed(session, rule, now)
    withdraw(session, rule, now)
    activations.close_span(session, rule, now)
    rule.unplanned_from = None
    if not _owes(session, rule):
        session.flush()
        return
    span = activations.open_span(session, rule, now)
    try:
        schedules = activations.site_schedules(read_definition(rule), span.zones)
    except Invalid:
        # It must not stop the planning of other rules, and the watch reports it until it is repaired.
        rule.unplanned_from = now
        session.flush()
        return
    rule.unplanned_from = _first_after(schedules.values(), now)
    session.flush()
    plan_rule(session, rule, now)


def replan_account(session: Session, account_id: int, now: datetime) -> None:
    """After all automation of the account was paused or resumed: no times count for the pause."""
    query = select(AutomationRule).where(
        AutomationRule.account_id == account_id,
        AutomationRule.trigger == "schedule",
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
    )
    for rule in session.scalars(query.order_by(AutomationRule.id)).all():
        replan(session, rule, now)


def withdraw(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Delete future rows that were never claimed: they are plans, not history."""
    planned = planned_runs(ScheduledTask.id).where(
        ScheduledTask.automation_rule_id == rule.id,
        ScheduledTask.status == Status.PENDING,
        ScheduledTask.attempt == 0,
        ScheduledTask.scheduled_at > now,
    )
    ids = session.scalars(planned.with_for_update()).all()
    account_id = rule.account_id
    session.execute(delete(RunDetail).where(RunDetail.account_id == account_id, RunDetail.run_id.in_(ids)))
    session.execute(
        delete(ScheduledTask).where(ScheduledTask.account_id == account_id, ScheduledTask.id.in_(ids))
    )


def _hold(session: Session, rule: AutomationRule) -> None:
    """Lock the rule's row until the transaction ends, and reload it."""
    session.flush()
    session.refresh(rule, with_for_update={"key_share": True})


def _owes(session: Session, rule: AutomationRule) -> bool:
    paused_at = session.scalar(select(Account.paused_at).where(Account.id == rule.account_id))
    return rule.trigger == "schedule" and rule.is_active and rule.archived_at is None and paused_at is None


def _first_after(schedules: Iterable[Schedule], at: datetime) -> datetime | None:
    firsts = (first_due_after(schedule, at) for schedule in schedules)
    return min((first for first in firsts if first), default=None)


def _record_owed(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Record past times of the version in force so far that were never planned, which would otherwise have no row."""
    start, span = rule.unplanned_from, activations.present_span(session, rule.id)
    if start is None or start > now or span is None:
        return
    version = select(RuleVersion.definition).where(
        RuleVersion.rule_id == rule.id, RuleVersion.version == span.version
    )
    before = session.scalars(version).one()
    try:
        schedules = activations.site_schedules(definition_from(before), span.zones)
    except Invalid:
        return
    written = planned_keys(session, [rule.id], start, now)
    for site_id, schedule in schedules.items():
        due = due_instants(schedule, start - TINY, now)
        lost = [at for at in due if (rule.id, site_id, at) not in written]
        runs = missed_runs(rule, lost, EDITED, site_id=site_id, version=span.version)
        open_planned(session, runs, now)
