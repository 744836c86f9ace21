"""Credits: set aside before work, charged unit by unit, released at the end.

Every movement is a guarded UPDATE of the account's row and one ledger row with a unique key, so the balance
never goes below zero and nothing is charged twice, under any crash and any number of workers. The account's
row is always locked first, so two workers of one account never deadlock. The lock allows references to the
row: both have written outputs of the account before they come here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, case, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.base import Id
from app.business.billing.models import BudgetScope, CreditEntry, CreditHold, EntryKind, Plan
from app.business.billing.services import spend_counters
from app.business.billing.services.spend_counters import Budget, Shortfall
from app.business.errors import NotEnoughCredits, NotFound
from app.business.plain_rows import plain_rows
from app.business.upsert import upsert

__all__ = ["Balance", "Budget", "BudgetScope", "CreditService", "Shortfall"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Balance:
    """An account's credits: `available` = `balance` - `held`; `plan` is the plan's code."""

    balance: int
    held: int
    available: int
    plan: str | None
    daily_ceiling: int | None


_BALANCE = (
    select(Account.credits_balance, Account.credits_held, Plan.code, Account.daily_ceiling)
    .outerjoin(Plan, Plan.id == Account.plan_id)
    .where(Account.id == bindparam("account_id", type_=Id))
)


class CreditService:
    """The only place that moves credits. It keeps no state between calls."""

    def available(self, session: Session, account_id: int) -> int:
        """Credits that may still be set aside."""
        return (
            session.scalar(
                select(Account.credits_balance - Account.credits_held).where(Account.id == account_id)
            )
            or 0
        )

    def balance_of(self, session: Session, account_id: int) -> Balance:
        """The account's figures. Raises NotFound."""
        rows = plain_rows(session, _BALANCE, {"account_id": account_id})
        if not rows:
            raise NotFound()
        balance, held, plan, ceiling = rows[0]
        return Balance(balance, held, balance - held, plan, ceiling)

    def held_by(self, session: Session, account_id: int, run_id: int) -> int:
        """Credits the run has claimed so far: those charged, and those set aside while its hold is open."""
        return (
            session.scalar(
                select(case((CreditHold.state == "open", CreditHold.amount), else_=CreditHold.posted)).where(
                    CreditHold.account_id == account_id, CreditHold.run_id == run_id
                )
            )
            or 0
        )

    def lock(self, session: Session, account_id: int) -> None:
        """Lock the account's credits until the transaction ends."""
        _lock(session, account_id)

    def hold(
        self,
        session: Session,
        *,
        account_id: int,
        run_id: int,
        amount: int,
        budgets: Sequence[Budget],
        now: datetime,
    ) -> Shortfall | None:
        """Set `amount` aside for the run: opens, raises or re-opens its hold. A refusal changes nothing."""
        if amount == 0:
            return None
        savepoint = session.begin_nested()
        shortfall = _set_aside(session, account_id, amount) or spend_counters.hold(
            session, account_id, run_id, amount, budgets
        )
        if shortfall:
            savepoint.rollback()
            return shortfall
        _raise_hold(session, account_id, run_id, amount, now)
        savepoint.commit()
        return None

    def post(
        self,
        session: Session,
        *,
        account_id: int,
        run_id: int,
        amount: int,
        key: str,
        reason: str,
        now: datetime,
        site_id: int | None = None,
    ) -> int:
        """Charge a finished unit of a record of `site_id`, at most what is left of the run's hold.

        Returns the credits charged, on the counters on which the run set them aside.
        A second call with the same `key` charges nothing and returns what the first one did.
        """
        if amount == 0:
            return 0
        _lock(session, account_id)
        known = _amount_of(session, account_id, key)
        if known is not None:
            return -known
        left = min(amount, _left_of_hold(session, account_id, run_id))
        spent = spend_counters.spend(session, account_id, run_id, left, site_id)
        charged = spent.amount
        if charged < amount:
            log.warning("run %d cost %d credits, %d were set aside", run_id, amount, charged)
        if charged == 0:
            return 0
        _draw_from_hold(session, account_id, run_id, charged)
        after = _move(session, account_id, balance=-charged, held=-charged)
        entry = CreditEntry(kind=EntryKind.CHARGE, amount=-charged, key=key, reason=reason, created_at=now)
        entry.run_id, entry.site_id = run_id, spent.site_id
        _write(session, account_id, after, entry)
        return charged

    def release(self, session: Session, *, account_id: int, run_id: int, now: datetime) -> int:
        """Close the run's hold and release what it did not use; returns those credits."""
        # Only the worker of a run opens its hold: without a hold no credits need to be locked.
        if session.scalar(select(CreditHold.id).where(_open_hold(account_id, run_id))) is None:
            return 0
        _lock(session, account_id)
        rest = session.execute(
            update(CreditHold)
            .where(_open_hold(account_id, run_id))
            .values(state="closed", closed_at=now)
            .returning(CreditHold.amount - CreditHold.posted)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if not rest:
            return 0
        _move(session, account_id, held=-rest)
        spend_counters.free(session, account_id, run_id)
        return int(rest)

    def add(
        self,
        session: Session,
        *,
        account_id: int,
        kind: EntryKind,
        amount: int,
        key: str,
        reason: str,
        now: datetime,
        user_id: int | None = None,
        run_id: int | None = None,
    ) -> bool:
        """Grant, refund, adjust or expire `amount` (negative takes away) once for `key`; False when known.

        Raises NotEnoughCredits when it would take more than is free.
        """
        _lock(session, account_id)
        if _amount_of(session, account_id, key) is not None:
            return False
        free = self.available(session, account_id)
        if free + amount < 0:
            raise NotEnoughCredits(-amount, free)
        after = _move(session, account_id, balance=amount)
        entry = CreditEntry(kind=kind, amount=amount, key=key, reason=reason, created_at=now)
        entry.run_id, entry.user_id = run_id, user_id
        _write(session, account_id, after, entry)
        return True


def _lock(session: Session, account_id: int) -> None:
    """Serialise movements of this account's credits (SQLite has one writer at a time anyway).

    The lock allows references to the account: two transactions that have added rows of it and then lock it would
    deadlock otherwise.
    """
    session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))


def _set_aside(session: Session, account_id: int, amount: int) -> Shortfall | None:
    taken = session.execute(
        update(Account)
        .where(Account.id == account_id, Account.credits_balance - Account.credits_held >= amount)
        .values(credits_held=Account.credits_held + amount)
        .returning(Account.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    _forget(session, account_id)
    if taken:
        return None
    free = CreditService().available(session, account_id)
    return Shortfall("credits", amount, free, f"Needs {amount:,} credits, {free:,} free.")


def _move(session: Session, account_id: int, *, balance: int = 0, held: int = 0) -> int:
    """Change both figures at once; returns the new balance. The guard fails only on a broken ledger."""
    new_balance, new_held = Account.credits_balance + balance, Account.credits_held + held
    after = session.execute(
        update(Account)
        .where(Account.id == account_id, new_held >= 0, new_balance >= new_held)
        .values(credits_balance=new_balance, credits_held=new_held)
        .returning(Account.credits_balance)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    _forget(session, account_id)
    return after


def _forget(session: Session, account_id: int) -> None:
    """A loaded account has to reload its figures."""
    account = session.identity_map.get(session.identity_key(Account, account_id))
    if account is not None:
        session.expire(account, ["credits_balance", "credits_held"])


def _raise_hold(session: Session, account_id: int, run_id: int, amount: int, now: datetime) -> None:
    charged_or_held = case((CreditHold.state == "open", CreditHold.amount), else_=CreditHold.posted)
    upsert(
        session,
        CreditHold,
        {
            "account_id": account_id,
            "run_id": run_id,
            "amount": amount,
            "posted": 0,
            "state": "open",
            "created_at": now,
        },
        unique=["run_id"],
        change={"amount": charged_or_held + amount, "state": "open", "closed_at": None},
    )


def _open_hold(account_id: int, run_id: int) -> ColumnElement[bool]:
    return and_(CreditHold.account_id == account_id, CreditHold.run_id == run_id, CreditHold.state == "open")


def _left_of_hold(session: Session, account_id: int, run_id: int) -> int:
    left = select(CreditHold.amount - CreditHold.posted).where(_open_hold(account_id, run_id))
    return session.scalar(left) or 0


def _draw_from_hold(session: Session, account_id: int, run_id: int, amount: int) -> None:
    session.execute(
        update(CreditHold)
        .where(_open_hold(account_id, run_id), CreditHold.posted + amount <= CreditHold.amount)
        .values(posted=CreditHold.posted + amount)
        .returning(CreditHold.id)
        .execution_options(synchronize_session=False)
    ).one()


def _amount_of(session: Session, account_id: int, key: str) -> int | None:
    return session.scalar(
        select(CreditEntry.amount).where(CreditEntry.account_id == account_id, CreditEntry.key == key)
    )


def _write(session: Session, account_id: int, balance_after: int, entry: CreditEntry) -> None:
    entry.account_id, entry.balance_after, entry.reason = account_id, balance_after, entry.reason[:255]
    session.add(entry)
    session.flush()
