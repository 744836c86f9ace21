"""A worker's runs that make ideas in this process: reserved and read in one transaction, their ideas made outside of
any, and written in further ones, if everything that they were made from is still the same."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from app.business.automation.services.draining.pace import LOCKED_SECONDS, Overdue, Pace
from app.business.automation.services.draining.paid_answers import MadeIdeas, MadeSet, make_ideas
from app.business.automation.services.draining.paid_execution import PaidExecution
from app.business.automation.services.draining.paid_runs import PaidRuns, first_paid_runs, still_the_same
from app.business.automation.services.draining.rule_locks import lock_rules
from app.business.automation.services.draining.set_execution import Unexpected
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.runs.reservations import Reservation, release, reserve_these
from app.business.planner.services.ideas_service import IdeasService
from app.business.row_sets import is_on_postgresql

ROWS_LOCKED_SECONDS = 2 * LOCKED_SECONDS
"""How long a set should keep others waiting on PostgreSQL: those that want the same rows, not all writers."""
FEWEST = 25
"""Runs written together: what the statements cost however few runs they are for is as much as these runs cost."""

Saved = tuple[dict[int, list[int]], datetime]
"""Ids of ideas by site, and when they were made."""


@dataclass(frozen=True)
class Tried:
    """done: runs that were executed together · alone: those that follow, or failed together, to be executed one by
    one · failed: their number, and `cause` why · reserved: what of them is reserved for that."""

    done: list[int]
    alone: list[int]
    failed: int = 0
    cause: Exception | None = None
    reserved: Reservation = field(default_factory=lambda: Reservation(""))


@dataclass(frozen=True)
class PaidSets:
    """What executes them."""

    engine: RuleEngine
    queue: str
    service: IdeasService
    pace: Pace

    def execute(self, run_ids: Sequence[int]) -> Tried:
        """Execute the first of these runs together, as many as can be."""
        reservation, before = self._reserve(run_ids)
        known = list(before.plain.runs)
        behind = run_ids[len(known) : len(known) + before.plain.others]
        if not known:
            return Tried([], list(behind or run_ids[:1]))
        done, part, cause = list[int](), known, None
        try:
            made = make_ideas(self.service, before)
            while part := known[len(done) :][: self.pace.runs]:
                if saved := self._write_in_time(reservation, before.part(part), made):
                    done, part = [*done, *part], []
                    made.note_saved(*saved)
                elif len(part) == 1:
                    # Not even one alone is in time here and now.
                    break
            else:
                made.keep_sites(self.service)
        except Exception as error:
            # One of the part cannot be executed together with others: nothing has been done of it.
            cause = error
        self.release(reservation, known[len(done) + len(part) :])
        return Tried(done, part or list(behind), len(part), cause, reservation)

    def release(self, reservation: Reservation, run_ids: Collection[int]) -> None:
        """Let other workers have these runs, as far as they are reserved."""
        if reserved := reservation.rules.keys() & set(run_ids):
            with self.engine.transaction() as session:
                release(session, reservation, reserved)

    def _reserve(self, run_ids: Sequence[int]) -> tuple[Reservation, PaidRuns]:
        with self.engine.transaction() as session:
            # Read the clock after getting the write lock, from which on nobody else reserves.
            session.connection()
            now = self.engine.clock()
            reservation = reserve_these(session, self.queue, run_ids, now)
            first: list[int] = []
            for run_id in run_ids:
                if run_id not in reservation.rules or run_id in reservation.left_behind:
                    break
                first.append(run_id)
            paid = PaidRuns()
            if first:
                works = self.engine.executor.works
                paid = first_paid_runs(session, first, reservation.token, works, self.service, now)
            if others := reservation.rules.keys() - paid.plain.runs.keys():
                release(session, reservation, others)
        return reservation, paid

    def _write_in_time(self, reservation: Reservation, before: PaidRuns, made: MadeSet) -> Saved | None:
        """None where nothing was written: it would have taken too long, and a smaller part may not."""
        try:
            return self._write(reservation, before, {key: made.ideas[key] for key in before.matching})
        except Overdue:
            self.pace.slow_down(len(before.plain.runs))
            return None

    def _write(self, reservation: Reservation, before: PaidRuns, made: Mapping[int, MadeIdeas]) -> Saved:
        run_ids, works = list(before.plain.runs), self.engine.executor.works
        with self.engine.transaction() as session:
            began = lock_rules(session, {reservation.rules[run_id] for run_id in run_ids}, self.pace)
            now = self.engine.clock()
            paid = still_the_same(session, before, reservation.token, works, self.service, now)
            is_in_time = partial(self.pace.require_time, began)
            is_in_time()
            execution = PaidExecution(session, paid, made, self.engine.worker, now, is_in_time)
            done = execution.execute()
            if done != run_ids:
                raise Unexpected(f"{len(done)} runs instead of {len(run_ids)}")
            locked_seconds = ROWS_LOCKED_SECONDS if is_on_postgresql(session) else LOCKED_SECONDS
            self.pace.note(len(done), began, locked_seconds, FEWEST)
        return execution.saved, now
