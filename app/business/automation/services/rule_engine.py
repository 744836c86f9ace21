"""Executes one run: claim, gates, steps, close. All workers, causes and retries use this class."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason, Status
from app.business.automation.services.action_executor import ActionExecutor, Cancelled, Draining
from app.business.automation.services.runs import closing, parking, record_claim_settling
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

Heartbeat = Callable[[Lease], AbstractContextManager[None]]
"""Renews the lease in the background while a run is executed."""


@dataclass(frozen=True)
class Admitted:
    """A claimed run and the records that it works on; none if it has ended or waits."""

    context: RunContext
    records: list[int]


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

    def execute(self, run_id: int, reserved: str = "") -> bool:
        """Execute the run as far as possible now. False when another worker has it, or it is not due.

        reserved: the token of this worker's reservation.
        """
        with self.transaction() as session:
            admitted = self.admit(session, run_id, reserved)
        if admitted is None:
            return False
        if admitted.context.run.status == Status.RUNNING:
            self.work(admitted)
        return True

    def admit(self, session: Session, run_id: int, reserved: str = "") -> Admitted | None:
        """Claim the run and check its gates; a gate that stops it ends or parks it there."""
        now = self.clock()
        run = claim_run(session, run_id, self.worker, now, reserved)
        if run is None:
            return None
        context = load_context(session, run, now)
        if run.cancel_requested_at:
            closing.cancel(session, context)
            return Admitted(context, [])
        try:
            if run.admitted_at:
                return Admitted(context, self._readmit(session, context))
            return Admitted(context, _admit(session, context))
        except Invalid as error:
            closing.fail_before_work(session, context, Reason.RULE_INVALID, error.message)
            stop_failing_rules(session, now, context.rule.id)
            return Admitted(context, [])

    def work(self, admitted: Admitted) -> None:
        """Work on an admitted run, in transactions of its own."""
        context, records = admitted.context, admitted.records
        lease = Lease(context.run.id, context.run.lease_token or "")
        # When the lease is lost, another worker continues this run: the lease check rejects all our writes.
        with suppress(LeaseLost):
            if self.executor.fits_one_transaction(context, records):
                self._work_at_once(context, lease, records)
                return
            with self.heartbeat(lease):
                self._work(context, lease, records)

    def execute_within(self, session: Session, run_id: int, reserved: str) -> Admitted | None:
        """Execute a small local run from its claim to its end in the caller's transaction.

        A run that needs transactions of its own comes back admitted, still running. None: another worker has it, or it
        is not due.
        """
        admitted = self.admit(session, run_id, reserved)
        if admitted is None or admitted.context.run.status != Status.RUNNING:
            return admitted
        if self.executor.fits_one_transaction(admitted.context, admitted.records):
            self._execute_and_close(session, admitted.context, admitted.records)
            _stop_failing(session, admitted.context)
        return admitted

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
                parking.hand_back(session, context)
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
            close = parking.hand_back
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
        admission = pass_gates(session, context, note_admission)
    context.detail.gates = admission.gates
    if admission.stop:
        if admission.stop.would is not None:
            context.run.record_count, context.detail.records = len(admission.records), admission.records
        closing.stop_at_gate(session, context, admission.stop)
        keep_wanted(context.run, context.detail, admission)
        return []
    session.flush()
    return admission.records


def note_admission(context: RunContext, admission: Admission) -> None:
    """Note on the run that it has passed all gates, and with which records."""
    run = context.run
    run.admitted_at, run.record_count = context.now, len(admission.records)
    run.waiting_since, context.is_new = None, not admission.origins and run.attempt == 1
    context.detail.records, context.detail.gates = admission.records, admission.gates
    context.detail.options = context.detail.options | admission.options
    if run.promised is not None and not run.from_step:
        run.left_out = admission.left_out
