"""Money spent on AI services: reserved before a call, settled after it, never beyond the monthly limit.

Each unit's call has one reservation, identified by the unit's key. The reservation of a worker that died counts as
spent, because the service has probably done the work.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, bindparam, select, true, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.base import Id, RowValues, Text
from app.business.language_model import ModelConnection, ModelUse
from app.business.outlets.models import AiConnection, AiReservation, AiSpend
from app.business.plain_rows import plain_rows
from app.business.upsert import insert_missing, upsert

ABANDONED_AFTER = timedelta(hours=2)
"""Longer than any unit may take."""


def reserve(
    session: Session,
    account: Account,
    connection: ModelConnection,
    key: str,
    tokens: tuple[int, int],
    now: datetime,
) -> str | None:
    """Reserve the cost of `tokens` (sent, written); returns the refusal as a sentence beyond the limit."""
    amount = connection.cost(*tokens)
    if amount is None:
        return None
    period = month_of(account, now)
    _count_abandoned(session, account.id, key, now)
    insert_missing(session, AiSpend, _empty(account.id, period))
    taken = session.scalar(
        update(AiSpend)
        .where(*_of(account.id, period), has_room(connection.monthly_limit, amount))
        .values(held=AiSpend.held + amount)
        .returning(AiSpend.id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        return _refusal(session, account.id, period, connection, amount)
    row: RowValues = {
        "account_id": account.id,
        "key": key,
        "period": period,
        "amount": amount,
        "created_at": now,
    }
    opened: RowValues = {"period": period, "amount": amount, "created_at": now, "is_open": True}
    upsert(session, AiReservation, row | {"is_open": True}, unique=["account_id", "key"], change=opened)
    return None


def has_room(limit: int | None, amount: int) -> ColumnElement[bool]:
    """Whether the month's limit allows so much more."""
    return true() if limit is None else AiSpend.spent + AiSpend.held + amount <= limit


def settle(
    session: Session, account: Account, key: str, use: ModelUse | None, *, unused: bool, now: datetime
) -> None:
    """Close the reservation and record the actual cost.

    Where the cost is not known the reserved amount counts; nothing counts if the service did no work (`unused`).
    """
    closed = session.execute(
        update(AiReservation)
        .where(AiReservation.account_id == account.id, AiReservation.key == key, AiReservation.is_open)
        .values(is_open=False)
        .returning(AiReservation.period, AiReservation.amount)
        .execution_options(synchronize_session=False)
    ).first()
    period, held = closed or (month_of(account, now), 0)
    spent = use.cost if use and use.cost is not None else 0 if unused else held
    sent, written = (use.tokens_in, use.tokens_out) if use else (0, 0)
    if closed or spent or sent or written:
        _move(session, account.id, period, held=-held, spent=spent, sent=sent, written=written)


@dataclass(frozen=True)
class AiMonth:
    """What an account asked of AI services in a month, and its limit; in millionths, None: no limit."""

    tokens_in: int
    tokens_out: int
    spent: int
    held: int
    limit: int | None
    has_prices: bool


def this_month(session: Session, account: Account, now: datetime) -> AiMonth | None:
    """The current month; None where nothing was asked of a service and nothing limits it."""
    wanted = {"account_id": account.id, "period": month_of(account, now)}
    *figures, limit, has_prices = plain_rows(session, _MONTH, wanted)[0]
    if limit is None and None in figures:
        return None
    tokens_in, tokens_out, spent, held = (figure or 0 for figure in figures)
    return AiMonth(tokens_in, tokens_out, spent, held, limit, has_prices)


_MONTH = (
    select(
        AiSpend.tokens_in,
        AiSpend.tokens_out,
        AiSpend.spent,
        AiSpend.held,
        AiConnection.monthly_limit,
        and_(AiConnection.price_in.is_not(None), AiConnection.price_out.is_not(None)),
    )
    .select_from(Account)
    .outerjoin(
        AiSpend, and_(AiSpend.account_id == Account.id, AiSpend.period == bindparam("period", type_=Text()))
    )
    .outerjoin(AiConnection, AiConnection.account_id == Account.id)
    .where(Account.id == bindparam("account_id", type_=Id))
)


def money_words(micros: int) -> str:
    """`12.34`; small amounts with four places."""
    return f"{micros / 1_000_000:,.{2 if micros >= 10_000 or micros == 0 else 4}f}"


def month_of(account: Account, now: datetime) -> str:
    """The current month in the account's zone."""
    return f"{now.astimezone(ZoneInfo(account.timezone)):%Y-%m}"


def _count_abandoned(session: Session, account_id: int, key: str, now: datetime) -> None:
    """Count reservations of workers that died, and an earlier one of this unit, as spent."""
    old = (AiReservation.created_at < now - ABANDONED_AFTER) | (AiReservation.key == key)
    closed = session.execute(
        update(AiReservation)
        .where(AiReservation.account_id == account_id, AiReservation.is_open, old)
        .values(is_open=False)
        .returning(AiReservation.period, AiReservation.amount)
        .execution_options(synchronize_session=False)
    ).all()
    for period, amount in closed:
        _move(session, account_id, period, held=-amount, spent=amount)


def _move(
    session: Session,
    account_id: int,
    period: str,
    *,
    held: int = 0,
    spent: int = 0,
    sent: int = 0,
    written: int = 0,
) -> None:
    insert_missing(session, AiSpend, _empty(account_id, period))
    session.execute(
        update(AiSpend)
        .where(*_of(account_id, period))
        .values(
            held=AiSpend.held + held,
            spent=AiSpend.spent + spent,
            tokens_in=AiSpend.tokens_in + sent,
            tokens_out=AiSpend.tokens_out + written,
        )
        .execution_options(synchronize_session=False)
    )


def _of(account_id: int, period: str) -> tuple[ColumnElement[bool], ...]:
    return AiSpend.account_id == account_id, AiSpend.period == period


def _empty(account_id: int, period: str) -> RowValues:
    figures = dict.fromkeys(("spent", "held", "tokens_in", "tokens_out"), 0)
    return {"account_id": account_id, "period": period, **figures}


def _refusal(session: Session, account_id: int, period: str, connection: ModelConnection, amount: int) -> str:
    figures = select(AiSpend.spent, AiSpend.held).where(*_of(account_id, period))
    spent, held = session.execute(figures).one()
    under_way = f", {money_words(held)} set aside for calls under way" if held else ""
    return (
        f"The monthly limit of {money_words(connection.monthly_limit or 0)} for the AI service does not allow this: "
        f"{money_words(spent)} spent{under_way}, up to {money_words(amount)} needed. "
        "An owner can raise it on the page AI service; then retry."
    )
