"""The audit finds violated invariants: each kind of damage is named; a healthy installation has none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.delivery_models import BatchDelivery
from app.business.automation.models import RuleDay
from app.business.automation.run_models import RunAttempt, ScheduledTask
from app.business.automation.services.auditing import invariants
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditEntry, CreditHold, CreditHoldPart, SpendCounter
from app.business.events import EventBatch, Origin
from app.business.planner.models import Sector
from app.business.planner.services.keyword_service import add_keyword
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import HOURLY, IDEAS, LABEL, clusters_with_keywords
from tests.factories import NOW, make_account

SITE = CreditHoldPart.scope == "site"
PAID = ScheduledTask.credits_used > 0
DAMAGE = {
    "balance": [update(Account).values(credits_balance=Account.credits_balance + 1)],
    "held": [update(Account).values(credits_held=1)],
    "run_credits": [update(ScheduledTask).where(PAID).values(credits_used=1)],
    "holds_closed": [update(CreditHold).values(state="open")],
    "charged_within_hold": [update(CreditHold).values(posted=CreditHold.amount + 1)],
    "charged_as_held": [delete(CreditHold)],
    "counters": [update(SpendCounter).values(held=SpendCounter.held + 1)],
    "hold_parts": [update(CreditHoldPart).where(SITE).values(amount=CreditHoldPart.amount + 1)],
    "charged_parts": [delete(CreditHoldPart).where(CreditHoldPart.scope == "account")],
    "charged_sites": [update(CreditEntry).where(CreditEntry.kind == "charge").values(site_id=999)],
    "leases": [update(ScheduledTask).where(PAID).values(status="running")],
    "daily_slots": [update(RuleDay).values(used=RuleDay.used + 1)],
    "ended_runs": [update(ScheduledTask).where(PAID).values(finished_at=None)],
    "attempts": [update(RunAttempt).values(number=7)],
    "paid_units": [update(ActionRun).values(credits=4)],
    "explained_charges": [update(ActionRun).values(status="failed")],
    "events_in_time": [update(EventBatch).values(dispatched_at=None)],
    "holds_open": [
        update(ScheduledTask).where(PAID).values(status="running"),
        update(ActionRun).values(status="started"),
    ],
    "never_negative": [update(Account).values(credits_held=Account.credits_balance + 1)],
    "chain_of_balances": [update(CreditEntry).where(CreditEntry.kind == "charge").values(balance_after=7)],
    "pending_in_time": [update(ScheduledTask).where(PAID).values(status="pending")],
    "grants_once": [
        update(CreditEntry).where(CreditEntry.kind == "charge").values(kind="grant", key="grant-2026-11b")
    ],
    "grants": [update(CreditEntry).where(CreditEntry.kind == "grant").values(key="gift")],
    "never_due": [update(ScheduledTask).where(PAID).values(cause="schedule")],
    "run_limit": [update(ScheduledTask).where(PAID).values(credits_used=101)],
    "daily_limit": [update(RuleDay).values(used=11)],
    "deliveries": [delete(BatchDelivery)],
    "given_up": [update(BatchDelivery).values(state="failed")],
    "delivered_once": [update(ScheduledTask).where(ScheduledTask.part > 0).values(part=None)],
}


@pytest.fixture
def worked(machine: Machine, session: Session, account: Account, sector: Sector) -> Machine:
    """A paid run through an event and a schedule, a quarter of an hour ago."""
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    machine.make_rule(account, actions=[LABEL])
    machine.run_now(rule)
    machine.pass_time(minutes=10)
    add_keyword(session, sector, {"text": "lamp"}, origin=Origin(account.id), now=machine.now)
    machine.settle()
    machine.pass_time(minutes=5)
    return machine


def test_a_healthy_installation_has_no_breach(worked: Machine) -> None:
    assert worked.breaches() == []


@pytest.mark.both_databases
def test_damage_is_found_and_named(worked: Machine, session: Session) -> None:
    for name, statements in DAMAGE.items():
        with unprotected(session):
            for statement in statements:
                session.execute(statement)
            found = {breach.name: breach for breach in invariants.audit(session, worked.now)}
            assert name in found, found
            (account_id,) = set(found[name].accounts)
            assert found[name].rows_of(account_id or 0) == list(found[name].rows), name
    assert worked.breaches() == []


def test_credits_of_a_run_are_compared_with_its_entries_both_ways(worked: Machine, session: Session) -> None:
    (run_id,) = session.scalars(select(ScheduledTask.id).where(PAID))
    (free_id,) = session.scalars(select(ScheduledTask.id).where(~PAID, ScheduledTask.status == "completed"))
    for damaged_id, used in ((run_id, 0), (free_id, 5)):
        session.execute(update(ScheduledTask).where(ScheduledTask.id == damaged_id).values(credits_used=used))
        found = {breach.name: breach.rows for breach in invariants.audit(session, worked.now)}
        assert found["run_credits"] == (f"{damaged_id}, {used}",)
        # What has not ended may be charged later.
        session.execute(update(ScheduledTask).where(ScheduledTask.id == damaged_id).values(status="running"))
        assert "run_credits" not in {breach.name for breach in invariants.audit(session, worked.now)}
        session.rollback()


@contextmanager
def unprotected(session: Session) -> Iterator[None]:
    """The database's own checks and triggers are off, as after a manual change; everything is undone at the end."""
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("DROP TRIGGER credit_entry_no_update"))
        session.execute(text("PRAGMA ignore_check_constraints=ON"))
    else:
        session.execute(text("ALTER TABLE credit_entry DISABLE TRIGGER USER"))
        for table, check in CHECKS:
            session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {check}"))
    try:
        yield
    finally:
        session.rollback()
        if session.get_bind().dialect.name == "sqlite":
            session.execute(text("PRAGMA ignore_check_constraints=OFF"))
            session.rollback()


CHECKS = [
    ("account", "ck_account_held_within_balance"),
    ("credit_hold", "ck_credit_hold_posted_within_amount"),
]


def test_a_missing_trigger_of_the_ledger_is_found(worked: Machine, session: Session) -> None:
    on_table = " ON credit_entry" if session.get_bind().dialect.name == "postgresql" else ""
    session.execute(text(f"DROP TRIGGER credit_entry_no_delete{on_table}"))
    (breach,) = invariants.audit(session, worked.now)
    assert (breach.name, breach.rows, breach.rows_of(1)) == (
        "append_only", ("credit_entry_no_delete",), ["credit_entry_no_delete"],
    )  # fmt: skip
    session.rollback()


def test_a_row_that_points_at_another_account_is_found(worked: Machine, session: Session) -> None:
    session.execute(update(CreditHold).values(account_id=make_account(session).id))
    sentences = [
        breach.sentence for breach in invariants.audit(session, worked.now) if breach.name == "tenants"
    ]
    assert sentences == ["credit_hold.run_id stays within one account."]
    session.rollback()


def test_a_planned_time_without_its_row_is_found(worked: Machine, session: Session) -> None:
    due = ScheduledTask.scheduled_at == NOW.replace(minute=7)
    ids = session.query(ScheduledTask.id).where(due)
    for table in ("run_detail", "run_attempt"):
        session.execute(
            text(
                f"DELETE FROM {table} WHERE run_id IN (SELECT id FROM scheduled_task WHERE cause = 'schedule')"
            )
        )
    assert ids.count() == 1
    session.execute(delete(ScheduledTask).where(due))
    session.commit()
    (breach,) = [b for b in invariants.audit(session, worked.now) if b.name == "occurrences"]
    assert "09:07" in breach.rows[0]


def test_owners_are_notified_of_their_own_rows_until_all_is_well(worked: Machine, session: Session) -> None:
    account, other = session.scalars(select(Account.id)).one(), make_account(session).id
    breach = invariants.Breach("balance", "A sentence.", ("row 1", "row 2"), (account, 999))
    invariants.notify_owners(session, [breach], worked.now)
    notice = session.scalars(select(Notice)).one()
    assert (notice.account_id, notice.level, notice.role) == (account, "danger", "owner")
    assert notice.body == "A sentence. Broken by: row 1."
    invariants.notify_owners(session, [], worked.now)
    session.refresh(notice)
    assert notice.read_at == worked.now
    invariants.notify_owners(
        session, [invariants.Breach("append_only", "Missing.", ("x",), (None,))], worked.now
    )
    assert set(session.scalars(select(Notice.account_id).where(Notice.read_at.is_(None)))) == {account, other}
