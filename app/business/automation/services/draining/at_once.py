"""Executes runs of events in the transaction that opens them: their rows are written once, as they have ended.

Nobody sees them pending, and no worker has to take them. That holds for the first ones of each account, in their order,
that a set can execute (`plain_runs`) while nothing of the account is due before them; the others are opened, and
executed after them. Whatever fails is undone, and all are opened.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from sqlalchemy import String, bindparam, cast, exists, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleRecord, RuleVersion
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.actions.handler import Works
from app.business.automation.services.draining.pace import Overdue, Pace
from app.business.automation.services.draining.plain_run import PlainRun, PlainRuns, RunKind
from app.business.automation.services.draining.plain_runs import (
    DEEPEST,
    ENTANGLING,
    edits_own_records,
    has_plain_size,
    is_plain_kind,
)
from app.business.automation.services.draining.set_execution import SetExecution, Unexpected
from app.business.automation.services.runs import daily_limit
from app.business.automation.services.runs.context import context_of_parts
from app.business.automation.services.runs.lease import SERIAL_CAUSES
from app.business.automation.services.runs.opening import Opening, Openings, detail_values, run_values
from app.business.automation.services.transactions import Clock
from app.business.database_faults import is_passing
from app.business.errors import Invalid
from app.business.events import EVENTS_QUEUE
from app.business.planner.models import Site
from app.business.row_ids import next_ids

OPENING_SECONDS = 0.05
"""Kept for opening the runs after all, where executing them takes too long."""


class AtOnce:
    """What one worker does with new runs. failed: runs opened because their set failed · cause: why, the last time."""

    def __init__(self, works: Works, worker: str, clock: Clock, pace: Pace) -> None:
        self.works, self.worker, self.clock, self.pace = works, worker, clock, pace
        self.failed = 0
        self.cause: Exception | None = None

    @property
    def most_runs(self) -> int:
        """As many as it executes in time."""
        return self.pace.runs

    def __call__(self, session: Session, openings: Openings) -> Openings:
        """Execute the first of these runs of each account; returns the others, which are still to be opened."""
        tried: list[int] = []
        try:
            with session.begin_nested():
                return self._execute(session, openings, tried)
        except Exception as error:
            if is_passing(error):
                raise
            if isinstance(error, Overdue):
                self.pace.slow_down(len(tried))
            self.failed, self.cause = self.failed + len(openings), error
            return openings

    def _execute(self, session: Session, openings: Openings, tried: list[int]) -> Openings:
        """Returns those that were not executed. tried: gets the ids of those that were begun."""
        began, now, done = self.pace.begin(), self.clock(), 0
        first, others = _plain(openings, _plain_kinds(session, openings, self.works, now))
        require_time = partial(self.pace.require_time, began, OPENING_SECONDS)
        while not done or self.pace.is_in_time(began):
            plain = _first_set(session, first[done : done + self.pace.runs])
            if not plain.runs:
                break
            tried += plain.runs
            began_set, wanted = self.pace.begin(), len(plain.runs)
            executed = SetExecution(session, plain, self.worker, now, require_time).execute()
            if executed != list(plain.runs):
                raise Unexpected("A daily limit is reached")
            done += len(executed)
            self.pace.note(len(executed), began_set)
            if len(executed) < wanted:
                # The next one meets records that another run holds.
                break
        return [*((kind.context.rule, opening) for kind, opening in first[done:]), *others]


PlainOpenings = Sequence[tuple[RunKind, Opening]]


def _plain(openings: Openings, kinds: dict[int, RunKind]) -> tuple[PlainOpenings, Openings]:
    """The first ones of each account, as far as their runs are plain, and the others."""
    first, others, ended = list[tuple[RunKind, Opening]](), list[tuple[AutomationRule, Opening]](), set[int]()
    for rule, opening in openings:
        kind = kinds.get(rule.id)
        if kind and rule.account_id not in ended and _is_plain(kind, opening):
            first.append((kind, opening))
        else:
            ended.add(rule.account_id)
            others.append((rule, opening))
    return first, others


def _first_set(session: Session, openings: PlainOpenings) -> PlainRuns:
    """The longest prefix of which each run has records of its own."""
    chosen, taken = list[tuple[RunKind, Opening]](), set[int]()
    for kind, opening in openings:
        records = opening.records or []
        if not taken.isdisjoint(records):
            break
        taken.update(records)
        chosen.append((kind, opening))
    plain = PlainRuns()
    for run_id, (kind, opening) in zip(next_ids(session, ScheduledTask, len(chosen)), chosen, strict=True):
        kind.context.run.id = kind.context.run.id or run_id
        plain.runs[run_id] = PlainRun(
            run_id, kind, opening.records or [], opening.root_id, len(opening.records or []), None, opening
        )
    return plain


def _is_plain(kind: RunKind, opening: Opening) -> bool:
    return (
        opening.cause in SERIAL_CAUSES
        and not (opening.split_site_id or opening.from_step or opening.options)
        and opening.depth < DEEPEST
        and has_plain_size(kind, len(opening.records or []))
    )


_rule, _run, _other = AutomationRule, ScheduledTask, RuleRecord
_RULES = (
    select(
        _rule.id,
        _rule.version,
        _rule.is_active,
        _rule.archived_at,
        _rule.failures_in_a_row,
        _rule.max_executions_per_day,
        Account,
        Site,
        cast(RuleVersion.definition, String),
        exists().where(
            _other.rule_id == _rule.id,
            _other.record_type == _rule.record_type,
            _other.unfinished_run_id.is_not(None),
        ),
    )
    .join(Account, Account.id == _rule.account_id)
    .join(RuleVersion, (RuleVersion.rule_id == _rule.id) & (RuleVersion.version == _rule.version))
    .outerjoin(Site, Site.id == _rule.site_id)
    .where(_rule.id.in_(bindparam("rules", expanding=True)))
    # As whoever saves a rule does before its runs.
    .order_by(_rule.id)
    .with_for_update(key_share=True, of=_rule)
)
_HAVE_TO_WAIT = select(Account.id).where(
    Account.id.in_(bindparam("accounts", expanding=True)),
    or_(
        *ENTANGLING,
        exists().where(
            _run.queue == EVENTS_QUEUE,
            _run.account_id == Account.id,
            _run.status == Status.PENDING,
            _run.waiting_for.is_(None),
        ),
        exists().where(
            _run.account_id == Account.id,
            _run.automation_rule_id.in_(bindparam("rules", expanding=True)),
            _run.status == Status.RUNNING,
            _run.cause.in_(SERIAL_CAUSES),
        ),
    ),
)
"""Accounts whose new runs wait for others, or start, send or wake something by their end."""
_FRESH = {"populate_existing": True}


def _plain_kinds(session: Session, openings: Openings, works: Works, now: datetime) -> dict[int, RunKind]:
    """By rule, those of which all runs can be plain; the rules are locked."""
    firsts: dict[int, tuple[AutomationRule, Opening]] = {}
    for rule, opening in openings:
        firsts.setdefault(rule.id, (rule, opening))
    if not firsts:
        return {}
    ids, accounts = list(firsts), {rule.account_id for rule, _ in firsts.values()}
    rows = session.execute(_RULES, {"rules": ids}, execution_options=_FRESH).all()
    waiting = set(session.scalars(_HAVE_TO_WAIT, {"accounts": list(accounts), "rules": ids}))
    kinds = {}
    for row in rows:
        rule, opening = firsts[row.id]
        if rule.account_id in waiting:
            continue
        # Whoever has saved it since it was matched has locked it before.
        if row[1:6] != (
            rule.version,
            rule.is_active,
            rule.archived_at,
            rule.failures_in_a_row,
            rule.max_executions_per_day,
        ):
            continue
        run = ScheduledTask(**run_values(rule, opening, Status.PENDING))
        detail = RunDetail(**detail_values(rule.account_id, 0, opening))
        # A rule that needs repair is not: its runs end as failed, each by itself.
        with suppress(Invalid):
            context = context_of_parts(run, (detail, rule, *row[6:9], None, row[9]), now)
            if is_plain_kind(session, context) and edits_own_records(context, works):
                kinds[rule.id] = RunKind(context)
    return _with_room(session, kinds, openings)


def _with_room(session: Session, kinds: dict[int, RunKind], openings: Openings) -> dict[int, RunKind]:
    """Those of which all runs fit into today's limit."""
    runs = Counter(rule.id for rule, _ in openings)
    used = daily_limit.used_today(session, [kind.context for kind in kinds.values()])
    return {
        rule_id: kind
        for rule_id, kind in kinds.items()
        if used.get(rule_id, 0) + runs[rule_id] <= kind.context.rule.max_executions_per_day
    }
