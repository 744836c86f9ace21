"""Executes one run: claim, gates, steps, close. All workers, causes and retries use this class."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.action_executor import ActionExecutor, Cancelled, Draining
from app.business.automation.services.runs import closing, record_claim_settling
from app.business.automation.services.runs.context import RunContext, load_context
from app.business.automation.services.runs.gate_verdict import Admission, OutOfCredits, Stop
from app.business.automation.services.runs.gates import check_account, pass_gates
from app.business.automation.services.runs.held_records import wait_for_holder
from app.business.automation.services.runs.lease import Lease, LeaseLost, claim_run, renew_and_read
from app.business.automation.services.runs.site_choice import set_aside_again
from app.business.automation.services.runs.skipped_records import keep_wanted
from app.business.automation.services.transactions import Clock, Transaction
from app.business.automation.services.triggering.failing_rules import stop_failing_rules
from app.business.billing.services.credit_service import CreditService
from app.business.errors import Invalid
from app.business.events import wake

Heartbeat = Callable[[Lease], AbstractContextManager[None]]
"""Renews the lease in the background while a run is executed."""


class RuleEngine:
    """Takes a pending run to completed, failed, skipped or waiting."""

    def __init__(
        self,
        transaction: Transaction,
        executor: ActionExecutor,
        clock: Clock,
        heartbeat: Heartbeat,
        worker: str,
    ) -> None:
        self.transaction, self.executor, self.clock = transaction, executor, clock
        self.heartbeat, self.worker = heartbeat, worker

    def execute(self, run_id: int) -> bool:
        """Execute the run as far as possible now. False when another worker has it, or it is not due."""
        admitted = self._admit(run_id)
        if admitted is None:
            return False
        context, records = admitted
        if context.run.status != Status.RUNNING:
            return True
        lease = Lease(run_id, context.run.lease_token or "")
        try:
            if self.executor.fits_one_transaction(context, records):
                self._work_at_once(context, lease, records)
                return True
            with self.heartbeat(lease):
                self._work(context, lease, records)
        except LeaseLost:
            # Another worker continues this run; the lease check rejects all our writes from now on.
            return True
        return True

    def _admit(self, run_id: int) -> tuple[RunContext, list[int]] | None:
        """Claim the run and check its gates in one short transaction; a gate that stops it ends or parks it there."""
        with self.transaction() as session:
            now = self.clock()
            run = claim_run(session, run_id, self.worker, now)
            if run is None:
                return None
            context = load_context(session, run, now)
            if run.cancel_requested_at:
                closing.cancel(session, context)
                return context, []
            try:
                if run.admitted_at:
                    return context, self._readmit(session, context)
                return context, _admit(session, context)
            except Invalid as error:
                closing.fail_before_work(session, context, Reason.RULE_INVALID, error.message)
                stop_failing_rules(session, now, context.rule.id)
                return context, []

    def _readmit(self, session: Session, context: RunContext) -> list[int]:
        """A retried or recovered run keeps its slot and records; only account and credits are checked again."""
        verdict = check_account(session, context, Admission())
        credits = CreditService()
        credits.release(
            session,
            account_id=context.account.id,
            run_id=context.run.id,
            now=context.now,
        )
        if isinstance(verdict, Stop):
            closing.stop_admitted(session, context, verdict)
            return []
        if holders := record_claim_settling.claim_again(session, context):
            closing.stop_admitted(session, context, wait_for_holder(context, holders))
            return []
        paid = credits.held_by(session, context.account.id, context.run.id)
        context.start_of_spending()
        most = max(context.definition.credit_limit_per_execution - paid, 0)
        if stop := set_aside_again(session, context, most):
            closing.stop_admitted(session, context, stop)
        else:
            context.run.waiting_since = None
        return list(context.detail.records or [])

    def _work_at_once(self, context: RunContext, lease: Lease, records: list[int]) -> None:
        """Execute all steps and the end of a small local run in one transaction."""
        with self.transaction() as session:
            context.now = self.clock()
            renew_and_read(session, lease, context.now)
            if self.executor.draining():
                closing.hand_back(session, context)
            elif context.run.cancel_requested_at:
                closing.cancel(session, context)
            else:
                self._execute_and_close(session, context, records)
            _stop_failing(session, context)

    def _execute_and_close(self, session: Session, context: RunContext, records: list[int]) -> None:
        try:
            outcome = self.executor.execute_at_once(session, context, records)
        except OutOfCredits as end:
            closing.out_of_credits(session, context, end.shortfall)
        else:
            closing.settle(session, context, outcome)

    def _work(self, context: RunContext, lease: Lease, records: list[int]) -> None:
        close: Callable[[Session, RunContext], None]
        try:
            outcome = self.executor.execute(context, lease, records)
            close = partial(closing.settle, outcome=outcome)
        except Cancelled:
            close = closing.cancel
        except Draining:
            close = closing.hand_back
        except OutOfCredits as end:
            close = partial(closing.out_of_credits, shortfall=end.shortfall)
        self._close(context, lease, close)

    def _close(self, context: RunContext, lease: Lease, close: Callable[[Session, RunContext], None]) -> None:
        with self.transaction() as session:
            context.now = self.clock()
            renew_and_read(session, lease, context.now)
            close(session, context)
            _stop_failing(session, context)


def _stop_failing(session: Session, context: RunContext) -> None:
    if context.run.status == Status.FAILED:
        stop_failing_rules(session, context.now, context.rule.id)


def _admit(session: Session, context: RunContext) -> list[int]:
    # What the checks note on the run is written once, when all have been asked.
    with session.no_autoflush:
        admission = pass_gates(session, context, _note_admission)
    context.detail.gates = admission.gates
    if admission.stop:
        if admission.stop.would is not None:
            context.run.record_count, context.detail.records = len(admission.records), admission.records
        closing.stop_at_gate(session, context, admission.stop)
        keep_wanted(context.run, context.detail, admission)
        return []
    session.flush()
    return admission.records


def _note_admission(context: RunContext, admission: Admission) -> None:
    run = context.run
    run.admitted_at, run.record_count = context.now, len(admission.records)
    run.waiting_since, context.is_new = None, not admission.origins and run.attempt == 1
    context.detail.records, context.detail.gates = admission.records, admission.gates
    context.detail.options = context.detail.options | {
        "left_over": admission.left_over,
        "notes": admission.notes,
        "matched": admission.choice.matched,
        **admission.place.as_option(),
    }
    if run.promised is not None and not run.from_step:
        run.left_out = admission.looked_at - len(admission.records) - len(admission.left_over)


def ready(queue: str, now: datetime) -> Select[int]:
    """Ids of the due runs of a queue, by priority, then oldest first."""
    return (
        select(ScheduledTask.id)
        .where(
            ScheduledTask.queue == queue,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for.is_(None),
            func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at) <= now,
        )
        .order_by(ScheduledTask.priority, ScheduledTask.scheduled_at, ScheduledTask.id)
    )


def drain(engine: RuleEngine, queue: str, *, most_runs: int, most_seconds: float) -> int:
    """Execute the queue's due runs until none is left or a limit is reached; returns the number executed."""
    executed, until = 0, engine.clock().timestamp() + most_seconds
    while executed < most_runs and engine.clock().timestamp() < until:
        with engine.transaction() as session:
            ids = session.scalars(ready(queue, engine.clock()).limit(min(most_runs - executed, 20))).all()
            if len(ids) > 1:
                # While this worker executes the first run, another one may take the next.
                wake(session, [queue])
        if not ids:
            return executed
        for run_id in ids:
            if engine.executor.draining():
                return executed
            if engine.clock().timestamp() >= until:
                # A more urgent run may have arrived during a long one: select again.
                break
            executed += engine.execute(run_id)
    with engine.transaction() as session:
        if session.scalar(select(ready(queue, engine.clock()).exists())):
            wake(session, [queue])
    return executed
