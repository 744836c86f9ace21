"""Money at AI services: set aside before a call, counted after it, never beyond the month's limit."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.language_model import ModelConnection, ModelUse
from app.business.outlets.models import AiReservation, AiSpend
from app.business.outlets.services.ai_spending import (
    ABANDONED_AFTER,
    money_words,
    reserve,
    settle,
    this_month,
)
from tests.factories import make_account

NOW = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
ONE = 1_000_000


def connection(**values: Any) -> ModelConnection:
    """A token sent costs a millionth, a token written two."""
    fields: dict[str, Any] = {
        "id": 1, "version": 1, "base_url": "https://ai.example/", "api_key_sealed": "", "model": "small",
        "article_model": "", "embedding_model": "", "mode": None, "price_in": ONE, "price_out": 2 * ONE,
        "monthly_limit": 1_000,
    }  # fmt: skip
    return ModelConnection(**fields | values)


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


def used(cost: int | None, sent: int = 0, written: int = 0) -> ModelUse:
    return ModelUse("small", "ideas-1", sent, written, cost)


def figures(session: Session, account: Account, now: datetime = NOW) -> tuple[int, int]:
    session.expire_all()
    spend = this_month(session, account, now)
    return (spend.spent, spend.held) if spend else (0, 0)


def test_a_call_is_set_aside_and_then_counted_as_it_was(session: Session, account: Account) -> None:
    assert reserve(session, account, connection(), "r1-s0-1", (100, 200), NOW) is None
    assert figures(session, account) == (0, 500)
    settle(session, account, "r1-s0-1", used(320, 60, 130), unused=False, now=NOW)
    assert figures(session, account) == (320, 0)
    spend = this_month(session, account, NOW)
    assert spend
    assert (spend.tokens_in, spend.tokens_out) == (60, 130)
    settle(session, account, "r1-s0-1", None, unused=False, now=NOW)
    assert figures(session, account) == (320, 0), "the reservation is settled once"


@pytest.mark.parametrize(
    ("use", "unused", "spent"),
    [(None, False, 500), (None, True, 0), (used(None, 5, 5), False, 500), (used(7), True, 7)],
    ids=["not known", "did not work", "did not count", "counted"],
)
def test_what_is_not_known_counts_as_it_was_set_aside(
    session: Session, account: Account, use: ModelUse | None, unused: bool, spent: int
) -> None:
    reserve(session, account, connection(), "k", (100, 200), NOW)
    settle(session, account, "k", use, unused=unused, now=NOW)
    assert figures(session, account) == (spent, 0)


def test_beyond_the_limit_is_refused_with_the_figures(session: Session, account: Account) -> None:
    million = connection(monthly_limit=20 * ONE)
    assert reserve(session, account, million, "a", (12 * ONE, 0), NOW) is None
    settle(session, account, "a", used(11 * ONE), unused=False, now=NOW)
    assert reserve(session, account, million, "b", (5 * ONE, 0), NOW) is None
    refused = reserve(session, account, million, "c", (0, 5 * ONE), NOW)
    assert refused == (
        "The monthly limit of 20.00 for the AI service does not allow this: 11.00 spent, 5.00 set aside for calls "
        "under way, up to 10.00 needed. An owner can raise it on the page AI service; then retry."
    )
    assert figures(session, account) == (11 * ONE, 5 * ONE)
    assert reserve(session, account, connection(monthly_limit=26 * ONE), "c", (0, 5 * ONE), NOW) is None


def test_without_prices_or_limit_nothing_is_refused(session: Session, account: Account) -> None:
    assert reserve(session, account, connection(price_in=None), "a", (10**9, 0), NOW) is None
    assert figures(session, account) == (0, 0)
    assert reserve(session, account, connection(monthly_limit=None), "b", (10**9, 0), NOW) is None
    settle(session, account, "a", used(None, 12, 34), unused=False, now=NOW)
    spend = this_month(session, account, NOW)
    assert spend
    assert (spend.tokens_in, spend.tokens_out) == (12, 34)
    assert reserve(session, account, connection(monthly_limit=0), "c", (1, 0), NOW) is not None


def test_the_same_unit_asked_again_after_a_crash_is_set_aside_once(
    session: Session, account: Account
) -> None:
    for _ in range(2):
        reserve(session, account, connection(), "k", (100, 0), NOW)
    assert figures(session, account) == (100, 100), "the first call has probably been paid"
    settle(session, account, "k", used(80), unused=False, now=NOW)
    assert figures(session, account) == (180, 0)


def test_what_a_dead_worker_set_aside_counts_as_spent_in_its_month(
    session: Session, account: Account
) -> None:
    reserve(session, account, connection(), "lost", (100, 0), NOW)
    later = NOW + ABANDONED_AFTER + timedelta(seconds=1)
    reserve(session, account, connection(), "next", (30, 0), later)
    assert figures(session, account) == (100, 0)
    assert figures(session, account, later) == (0, 30)


def test_months_are_those_of_the_accounts_zone(session: Session, account: Account) -> None:
    account.timezone = "Asia/Tokyo"
    reserve(session, account, connection(), "k", (100, 0), NOW)
    settle(session, account, "k", used(100), unused=False, now=NOW + timedelta(days=31))
    assert session.scalars(select(AiSpend.period)).one() == "2026-12"


def test_any_order_of_calls_stays_within_the_limit_and_adds_up(session: Session, account: Account) -> None:
    chance, limited, paid = random.Random(7), connection(monthly_limit=5_000), 0
    open_keys: list[str] = []
    for number in range(150):
        if open_keys and chance.random() < 0.5:
            key, cost = open_keys.pop(chance.randrange(len(open_keys))), chance.randrange(0, 300)
            settle(session, account, key, used(cost), unused=False, now=NOW)
            paid += cost
        elif reserve(session, account, limited, f"k{number}", (chance.randrange(300, 500), 0), NOW) is None:
            open_keys.append(f"k{number}")
        spent, held = figures(session, account)
        set_aside = select(func.coalesce(func.sum(AiReservation.amount), 0)).where(AiReservation.is_open)
        assert spent == paid
        assert held == session.scalar(set_aside)
        assert spent + held <= 5_000


def test_costs_are_rounded_up() -> None:
    cheap = connection(price_in=150_000, price_out=600_000)
    assert [cheap.cost(1, 0), cheap.cost(1_000, 1_000), cheap.cost(0, 0)] == [1, 750, 0]
    assert [money_words(amount) for amount in (0, 750, 10_000, 12_345_678_000)] == [
        "0.00",
        "0.0008",
        "0.01",
        "12,345.68",
    ]
