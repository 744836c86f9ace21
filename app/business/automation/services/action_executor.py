"""Executes a run's steps, unit by unit: read, work outside of any transaction, save under the lease."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app.business.automation.services.actions.handler import AnyWork, SetWork, Works
from app.business.automation.services.runs import unit_parts, unit_receipts
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.lease import Lease, LeaseLost, renew
from app.business.automation.services.runs.site_budgets import site_of
from app.business.automation.services.runs.site_choice import set_aside_step
from app.business.automation.services.runs.steps import Step, steps_of
from app.business.automation.services.runs.unit_failure import failure_of
from app.business.automation.services.runs.unit_parts import Part
from app.business.automation.services.runs.unit_plan import open_units
from app.business.automation.services.runs.unit_receipts import (
    Ask,
    Done,
    Failure,
    Later,
    LeftOut,
    Outcome,
    Refused,
    Unit,
)
from app.business.automation.services.transactions import Clock, Transaction
from app.business.billing.services.credit_service import CreditService
from app.business.events import close_batches_of_run

Answer = TypeVar("Answer")

FAULTS_IN_A_ROW_TO_STOP = 3
LOCAL_CHUNK, SET_CHUNK = 20, 250
"""Units of one transaction, and of one that does them by common statements: other writers wait until it ends. On SQLite
these have its lock for 4 ms, and for 20 at most."""
FEWEST_TOGETHER = 2


class Cancelled(Exception):
    """A person cancelled the run; it stops before the next unit."""


class Draining(Exception):
    """This worker shuts down; the run is released between two units."""


class ActionExecutor:
    """Executes actions in order, within the credit limit."""

    def __init__(
        self, transaction: Transaction, works: Works, clock: Clock, draining: Callable[[], bool]
    ) -> None:
        self.transaction, self.works, self.clock, self.draining = transaction, works, clock, draining
        self.credits = CreditService()

    def execute(self, context: RunContext, lease: Lease, records: list[int]) -> Outcome:
        """Work on all unfinished units. Raises LeaseLost, Cancelled, Draining, OutOfCredits."""
        outcome = Outcome()
        steps = steps_of(context)
        for step in steps:
            failures = self._execute_step(context, lease, step, records, outcome)
            outcome.failures += failures
            has_stopped = bool(failures) and (step.action.on_error == "stop" or step.entry.decides)
            if outcome.later or outcome.asks or outcome.ended or has_stopped:
                break
            # The end of the run closes those of its last step.
            if step is not steps[-1]:
                self._close_batches(context, lease)
        return outcome

    def fits_one_transaction(self, context: RunContext, records: list[int]) -> bool:
        """Whether all steps are local with few units, so that they share one transaction with the end of the run."""
        steps = steps_of(context)
        return all(step.entry.local for step in steps) and len(steps) * max(len(records), 1) <= LOCAL_CHUNK

    def execute_at_once(self, session: Session, context: RunContext, records: list[int]) -> Outcome:
        """Like `execute`, in the caller's transaction, for small local runs. Raises OutOfCredits."""
        outcome = Outcome()
        for step in steps_of(context):
            units = self._plan(session, context, step, records, outcome)
            failures = self._do_units(session, context, units)
            outcome.failures += failures
            if failures and step.action.on_error == "stop":
                break
        if outcome.failures:
            # The end of the run closes its batches too, but not every failure ends the run.
            close_batches_of_run(session, context.account.id, context.run.id, context.now)
        return outcome

    def _execute_step(
        self, context: RunContext, lease: Lease, step: Step, records: list[int], outcome: Outcome
    ) -> list[Failure]:
        with self._writing(context, lease) as session:
            units = self._plan(session, context, step, records, outcome)
        if step.entry.local:
            failures = self._do_local(context, lease, units)
        else:
            failures = self._do_outside(context, lease, units, outcome)
        if step.entry.decides:
            with self._writing(context, lease) as session:
                outcome.ended = unit_receipts.left_out_of_step(session, context, step)
        return failures

    def _close_batches(self, context: RunContext, lease: Lease) -> None:
        with self._writing(context, lease) as session:
            close_batches_of_run(session, context.account.id, context.run.id, context.now)

    def _plan(
        self, session: Session, context: RunContext, step: Step, records: list[int], outcome: Outcome
    ) -> list[Unit]:
        work = open_units(session, context, step, records, is_first=context.is_new)
        unit_receipts.skip(session, context, step, work.skipped, context.now)
        return (
            work.units if step.known_at_start else self._pay_for(session, context, step, work.units, outcome)
        )

    def _pay_for(
        self, session: Session, context: RunContext, step: Step, units: list[Unit], outcome: Outcome
    ) -> list[Unit]:
        """Increase the hold by the price of this step's units; units beyond the limit are left to a follow-up."""
        ids = [unit.record_id for unit in units]
        held = self.credits.held_by(session, context.account.id, context.run.id)
        left = context.definition.credit_limit_per_execution - held
        taken, notes = set_aside_step(session, context, step, ids, left)
        outcome.notes += notes
        if rest := [record_id for record_id in ids if record_id not in taken]:
            outcome.rest.append({"from_step": step.index, "record_type": step.record_type, "records": rest})
        return [unit for unit in units if unit.record_id in taken]

    def _do_local(self, context: RunContext, lease: Lease, units: list[Unit]) -> list[Failure]:
        failures: list[Failure] = []
        left = units
        while left:
            with self._writing(context, lease, between_units=True) as session:
                done = left[:SET_CHUNK]
                if not self._do_together(session, context, done):
                    done = left[:LOCAL_CHUNK]
                    failures += self._do_one_by_one(session, context, done)
            left = left[len(done) :]
        return failures

    def _do_units(self, session: Session, context: RunContext, units: list[Unit]) -> list[Failure]:
        """Do a few units in the caller's transaction."""
        if self._do_together(session, context, units):
            return []
        return self._do_one_by_one(session, context, units)

    def _do_together(self, session: Session, context: RunContext, units: list[Unit]) -> bool:
        """Whether all of them were done by common statements; else nothing was."""
        if len(units) < FEWEST_TOGETHER or not all(unit.is_new for unit in units):
            return False
        work = self._work_of(units[0])
        if not isinstance(work, SetWork) or not work.takes(units[0].step):
            return False
        try:
            with session.begin_nested():
                ends = work.save_all(session, context, units)
                unit_receipts.finish_all_at_once(session, context, units, ends, context.now)
        except Exception:
            # Which of them it was, and that it stops no other, shows when each is done by itself.
            return False
        return True

    def _do_one_by_one(self, session: Session, context: RunContext, units: list[Unit]) -> list[Failure]:
        failures: list[Failure] = []
        for unit in units:
            try:
                with session.begin_nested():
                    self._do_at_once(session, context, unit)
            except Refused as refusal:
                unit_receipts.leave_out(session, context, unit, refusal.reason, context.now)
            except Exception as error:
                failures.append(failure_of(unit, error))
                unit_receipts.fail_at_once(session, context, failures[-1], context.now)
        return failures

    def _do_at_once(self, session: Session, context: RunContext, unit: Unit) -> None:
        work = self._work_of(unit)
        request = work.read(session, context, unit)
        if isinstance(request, LeftOut):
            unit_receipts.leave_out(session, context, unit, request, context.now)
            return
        done = work.save(session, context, unit, work.work(request, unit.key))
        if isinstance(done, LeftOut):
            unit_receipts.leave_out(session, context, unit, done, context.now)
            return
        charged = self._charge(session, context, unit, done)
        unit_receipts.finish_at_once(session, context, unit, done, charged, context.now)

    def _do_outside(
        self, context: RunContext, lease: Lease, units: list[Unit], outcome: Outcome
    ) -> list[Failure]:
        failures: list[Failure] = []
        in_a_row = 0
        for number, unit in enumerate(units, 1):
            failure = self._do_unit(context, lease, unit, outcome)
            in_a_row = in_a_row + 1 if failure and failure.is_passing else 0
            if failure:
                failures.append(failure)
            if in_a_row == FAULTS_IN_A_ROW_TO_STOP:
                # The service is down: trying the other units would only take time.
                outcome.not_begun[unit.step.index] = len(units) - number
                break
        return failures

    def _do_unit(self, context: RunContext, lease: Lease, unit: Unit, outcome: Outcome) -> Failure | None:
        work = self._work_of(unit)
        has_begun = False
        while True:
            with self._writing(context, lease, between_units=True) as session:
                request = work.read(session, context, unit)
                if isinstance(request, LeftOut):
                    known = replace(unit, is_new=unit.is_new and not has_begun)
                    unit_receipts.leave_out(session, context, known, request, context.now)
                    return None
                if isinstance(request, Later | Ask):
                    outcome.put_off(request)
                    return None
                if not has_begun:
                    unit_receipts.begin(session, context, unit, context.now)
            has_begun = True
            try:
                answer = _within(unit.step.entry.seconds, partial(work.work, request, unit.key))
                if self._keep(context, lease, unit, answer):
                    return None
            except LeaseLost:
                raise
            except Exception as error:
                failure = replace(failure_of(unit, error), call_key=getattr(request, "call_key", ""))
                with self._writing(context, lease) as session:
                    work.give_up(session, context, unit)
                    unit_receipts.fail(session, context, failure, context.now)
                return failure

    def _keep(self, context: RunContext, lease: Lease, unit: Unit, answer: Any) -> bool:
        """Keep a part of the unit, or save its result; whether it is done with that."""
        with self._writing(context, lease) as session:
            if isinstance(answer, Part):
                unit_parts.keep(session, context, unit, answer, context.now)
                return False
            self._save(session, context, unit, self._work_of(unit).save(session, context, unit, answer))
            unit_parts.forget(session, context, unit)
            return True

    def _work_of(self, unit: Unit) -> AnyWork:
        return self.works[unit.step.entry.key]

    def _save(self, session: Session, context: RunContext, unit: Unit, done: Done | LeftOut) -> None:
        if isinstance(done, LeftOut):
            unit_receipts.leave_out(session, context, replace(unit, is_new=False), done, context.now)
            return
        charged = self._charge(session, context, unit, done)
        unit_receipts.finish(session, context, unit, done, charged, context.now)

    def _charge(self, session: Session, context: RunContext, unit: Unit, done: Done) -> int:
        return self.credits.post(
            session,
            account_id=context.account.id,
            run_id=context.run.id,
            amount=done.credits,
            key=unit.key,
            reason=done.message or unit.step.entry.label,
            site_id=site_of(session, unit) if done.credits else None,
            now=context.now,
        )

    def _writing(self, context: RunContext, lease: Lease, *, between_units: bool = False) -> "_Writing":
        if between_units and self.draining():
            raise Draining
        return _Writing(self, context, lease, between_units)


class _Writing:
    """One short transaction of the run, which starts by renewing the lease."""

    def __init__(
        self, executor: ActionExecutor, context: RunContext, lease: Lease, between_units: bool
    ) -> None:
        self.context, self.lease, self.between_units = context, lease, between_units
        self.clock, self.transaction = executor.clock, executor.transaction()

    def __enter__(self) -> Session:
        session = self.transaction.__enter__()
        self.context.now = self.clock()
        try:
            cancelled_at = renew(session, self.lease, self.context.now)
            if cancelled_at and self.between_units:
                raise Cancelled
        except BaseException as error:
            self.transaction.__exit__(type(error), error, error.__traceback__)
            raise
        return session

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self.transaction.__exit__(kind, error, traceback)


def _within(seconds: int, work: Callable[[], Answer]) -> Answer:
    """The result of `work`, or TimeoutError; a late result is dropped, and a retry requests it again with the same
    key."""
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(work).result(timeout=seconds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
