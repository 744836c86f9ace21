"""Builds without one of their safeguards, made inside a child only. Each trial must fail on one of them."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

from rq.job import Job
from rq_scheduler import Scheduler
from sqlalchemy import event, exists, select
from sqlalchemy.orm import Session

from app.business.automation.services.runs import pricing, unit_plan
from app.business.automation.services.triggering import dispatch
from app.business.billing.models import CreditEntry
from app.business.billing.services import replenishment
from app.business.billing.services.credit_service import CreditService
from app.business.outlets.outgoing_models import Outgoing
from app.business.outlets.services import deliveries as messages
from app.business.outlets.services import outgoing
from app.business.planner.services import import_parts
from app.infrastructure.database import db, transaction
from app.infrastructure.messaging import deliveries, sweep_steps
from app.infrastructure.messaging.scheduler import AutomationScheduler
from app.infrastructure.wordpress import publisher
from tests.faults.crashes.crash_points import crash_point


def forget_receipts() -> None:
    """No unit is known to be done, and each attempt uses new keys."""
    known = unit_plan.unit_key
    unit_plan.unit_key = lambda *place: f"{known(*place)}-{secrets.token_hex(3)}"
    unit_plan.unit_states = lambda *_: {}
    pricing.finished_units = lambda *_: set()


def charge_apart() -> None:
    """The output of a unit is committed before it is paid for."""
    post = CreditService.post

    def late(self: CreditService, session: Session, **values: Any) -> int:
        session.commit()
        return post(self, session, **values)

    CreditService.post = late


def sweep_without(step: str) -> Callable[[], None]:
    """That step of the sweep is left out."""

    def remove() -> None:
        steps = {one.__name__: one for one in sweep_steps.RECOVERY_STEPS}
        del steps[step]
        sweep_steps.RECOVERY_STEPS = tuple(steps.values())

    return remove


def hand_over_in_three_commands() -> None:
    """As the library does it: push, remove, write the next time; and nobody restores what is gone."""

    def enqueue(self: AutomationScheduler, job: Job) -> None:
        connection = self.connection
        self.get_queue_for_job(job).push_job_id(job.id)
        connection.zrem(self.scheduled_jobs_key, job.id)
        crash_point("between-commands")
        if interval := job.meta.get("interval"):
            connection.zadd(self.scheduled_jobs_key, {job.id: time.time() + interval})

    AutomationScheduler.enqueue_job = enqueue
    AutomationScheduler.restore_missing = lambda self: None
    AutomationScheduler.get_queue_for_job = Scheduler.get_queue_for_job


def begun_batches_are_done() -> None:
    """A batch whose runs are opened in several transactions is not continued."""
    dispatch.due_again = lambda *_: iter(())


def import_told_in_pieces() -> None:
    """Rules receive the keywords of each part of an import, not of the whole."""
    finish = import_parts.ImportPart.finish

    def and_tell(self: import_parts.ImportPart) -> bool:
        is_ours = finish(self)
        if self.batch:
            self.batch.closed_at = self.now
        return is_ours

    import_parts.ImportPart.finish = and_tell


def migrate_statement_by_statement() -> None:
    """Each statement is committed."""

    def commit(connection: Any, cursor: Any, *_: Any) -> None:
        if connection.dialect.name == "postgresql":
            cursor.connection.commit()
        elif cursor.connection.in_transaction and not cursor.description:
            cursor.connection.execute("COMMIT")
            cursor.connection.execute("BEGIN IMMEDIATE")

    event.listen(db.engine, "after_cursor_execute", commit)


def months_without_a_key() -> None:
    """A grant has no key, so every call grants."""
    replenishment.grant_key = lambda month: f"grant-{month}-{secrets.token_hex(4)}"


def months_begun_are_done() -> None:
    """A process that finds the month begun leaves the rest to others."""
    owed = replenishment.accounts_without_grant

    def unless_begun(session: Session, now: datetime) -> Iterator[int]:
        begun = select(exists().where(CreditEntry.key == replenishment.grant_key(f"{now:%Y-%m}")))
        return iter(()) if session.scalar(begun) else owed(session, now)

    replenishment.accounts_without_grant = unless_begun


def new_id_for_each_try() -> None:
    """A message that is tried again has an id that its receiver does not know."""
    sending = messages._sending

    def renamed(row: Outgoing, *rest: Any) -> messages.ClaimedDelivery:
        made = sending(row, *rest)
        return replace(made, message_id=f"{made.message_id}-{row.attempts}") if row.attempts > 1 else made

    messages._sending = renamed


def claims_for_ever() -> None:
    """A message whose sender died stays claimed."""
    outgoing._release_expired = lambda *_: None


def send_in_one_transaction() -> None:
    """Messages are claimed, sent and recorded in a single transaction for all of a drain."""
    drain = deliveries.drain

    def whole(*arguments: Any, **named: Any) -> int:
        with transaction() as session:
            deliveries.transaction = lambda: nullcontext(session)
            return drain(*arguments, **named)

    deliveries.drain = whole


def post_without_looking() -> None:
    """Nobody looks for the marker of a post that may be there already."""
    publisher._mark_of = lambda _row: ("", "")


BROKEN: dict[str, Callable[[], None]] = {
    "receipts": forget_receipts,
    "one transaction": charge_apart,
    "rescue": sweep_without("_rescue"),
    "overdue": sweep_without("_wake_overdue"),
    "dispatch": sweep_without("dispatch_events"),
    "alarms": sweep_without("_arm_missing"),
    "hand-over": hand_over_in_three_commands,
    "rest of a batch": begun_batches_are_done,
    "whole import": import_told_in_pieces,
    "whole migration": migrate_statement_by_statement,
    "month key": months_without_a_key,
    "catch-up": months_begun_are_done,
    "message id": new_id_for_each_try,
    "expiry of claims": claims_for_ever,
    "receipt of each": send_in_one_transaction,
    "marker": post_without_looking,
}
