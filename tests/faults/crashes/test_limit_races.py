"""Several processes at one daily limit, and at one balance: exactly so many succeed, and the rest is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import RuleDay
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from app.business.billing.models import CreditEntry
from app.business.outlets.models import AiReservation, AiSpend
from app.business.outlets.services import ai_connections
from tests.factories import NOW, make_account, make_ai_connection
from tests.faults.crashes.limit_races import PROCESSES, Calls, Lot, Spending, race
from tests.sampling import times

ROUNDS = times(full=200, sample=2)
LIMIT, EACH = 5, 16 // PROCESSES
"""A daily limit, and how many runs each process tries to get through in a round."""
BALANCE, AMOUNT = 50, 5
ONE = 1_000_000
"""For a million tokens: a token costs a millionth."""
BORDERS = {
    "Europe/London": "2026-11-24T00:00",
    "Pacific/Auckland": "2026-11-24T00:00",
    "Asia/Kathmandu": "2026-11-24T00:00",
    "America/St_Johns": "2026-11-24T00:00",
    "America/New_York": "2026-11-02T00:00",  # after a day of 25 hours
    "Australia/Lord_Howe": "2026-10-05T00:00",  # after a day of 23 and a half
    "Asia/Beirut": "2026-03-29T01:00",  # midnight itself does not exist
}
NOTIFY = {"type": "notify", "params": {"message": "Hi"}}


def lots(session: Session, account: Account, moments: Sequence[datetime]) -> list[Lot]:
    """One lot for each process: runs of one rule, by clocks that read `moments` in turn."""
    values = {
        "name": free_name(session, account.id, "Limited"),
        "trigger": "run_finished",
        "actions": [NOTIFY],
    }
    values |= {"max_executions_per_day": LIMIT, "record_type": None}
    due = min(moments)
    rule = AutomationService().create_rule(session, account, values, Actor(None), due - timedelta(days=1))
    runs = [
        AutomationService().execute(session, rule, Actor(None), due - timedelta(hours=1)).id
        for _ in range(PROCESSES * EACH)
    ]
    return [Lot(runs[number::PROCESSES], moments[number % len(moments)]) for number in range(PROCESSES)]


def admitted(session: Session) -> list[int]:
    """How many runs got through on each rule's day."""
    session.rollback()
    query = select(func.count()).where(ScheduledTask.status == Status.COMPLETED)
    by_day = query.group_by(ScheduledTask.automation_rule_id, ScheduledTask.counted_day)
    return list(session.scalars(by_day))


def refused(session: Session) -> int:
    query = select(func.count()).where(
        ScheduledTask.status == Status.SKIPPED, ScheduledTask.reason == Reason.DAILY_LIMIT
    )
    return session.scalar(query) or 0


@pytest.mark.both_databases
def test_a_daily_limit_is_used_to_the_last_run_and_no_further(session: Session, database_url: str) -> None:
    account = make_account(session)
    rounds = [lots(session, account, [NOW]) for _ in range(ROUNDS)]
    session.commit()
    assert sum(race(database_url, list(zip(*rounds, strict=True)))) == ROUNDS * PROCESSES * EACH
    assert admitted(session) == [LIMIT] * ROUNDS
    assert refused(session) == ROUNDS * (PROCESSES * EACH - LIMIT)
    assert audit(session, NOW) == []


@pytest.mark.both_databases
def test_each_local_day_has_its_own_limit_at_its_own_border(session: Session, database_url: str) -> None:
    rounds = []
    for _ in range(times(full=20, sample=1)):
        for zone, at in times(full=[*BORDERS.items()], sample=[*BORDERS.items()][-2:]):
            border = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            moments = [border - timedelta(seconds=1), border]
            rounds.append(lots(session, make_account(session, timezone=zone), moments))
    session.commit()
    race(database_url, list(zip(*rounds, strict=True)))
    days = 2 * len(rounds)
    assert admitted(session) == [LIMIT] * days
    assert refused(session) == days * (PROCESSES * EACH // 2 - LIMIT)


def spendings(session: Session, number: int) -> list[Spending]:
    """One for each process, all on one fresh account; together they want more than there is."""
    account_id = make_account(session, credits=BALANCE).id
    first = number * 1000
    return [
        Spending(account_id, range(first + process * 100, first + process * 100 + EACH), AMOUNT, NOW)
        for process in range(PROCESSES)
    ]


@pytest.mark.both_databases
def test_a_balance_is_spent_to_the_last_credit_and_the_rest_is_refused(
    session: Session, database_url: str
) -> None:
    rounds = [spendings(session, number) for number in range(1, ROUNDS + 1)]
    session.commit()
    assert sum(race(database_url, list(zip(*rounds, strict=True)))) == ROUNDS * BALANCE // AMOUNT
    session.rollback()
    balances = select(Account.credits_balance, Account.credits_held)
    assert session.execute(balances).all() == [(0, 0)] * ROUNDS
    spent = select(func.sum(CreditEntry.amount)).group_by(CreditEntry.account_id)
    assert session.scalars(spent).all() == [0] * ROUNDS


def calls(session: Session, number: int) -> list[Calls]:
    """Calls to an AI service by each process, all of one fresh account; together they may cost more than its limit."""
    account = make_account(session)
    row = make_ai_connection(session, account, price_in=ONE, price_out=ONE, monthly_limit=BALANCE)
    connection = ai_connections.as_data(row)
    keys = [f"r{number}-s0-{process}" for process in range(PROCESSES * EACH)]
    return [
        Calls(account.id, connection, keys[process::PROCESSES], AMOUNT, NOW) for process in range(PROCESSES)
    ]


@pytest.mark.both_databases
def test_the_months_money_is_reserved_to_the_last_call_and_no_further(
    session: Session, database_url: str
) -> None:
    rounds = [calls(session, number) for number in range(ROUNDS)]
    session.commit()
    assert sum(race(database_url, list(zip(*rounds, strict=True)))) == ROUNDS * BALANCE // AMOUNT
    session.rollback()
    spends = session.scalars(select(AiSpend)).all()
    assert [spend.spent + spend.held for spend in spends] == [BALANCE] * ROUNDS
    query = select(func.sum(AiReservation.amount)).where(AiReservation.is_open)
    under_way = session.execute(
        query.add_columns(AiReservation.account_id).group_by(AiReservation.account_id)
    )
    assert {account: amount for amount, account in under_way} == {
        spend.account_id: spend.held for spend in spends if spend.held
    }


def test_these_races_fail_without_the_guard_of_the_months_money(session: Session, database_url: str) -> None:
    rounds = [calls(session, 1)]
    session.commit()
    race(database_url, list(zip(*rounds, strict=True)), guarded=False)
    session.rollback()
    spend = session.scalars(select(AiSpend)).one()
    assert spend.spent + spend.held > BALANCE


def test_these_races_fail_without_the_guard_of_the_day(session: Session, database_url: str) -> None:
    rounds = [lots(session, make_account(session), [NOW])]
    session.commit()
    race(database_url, list(zip(*rounds, strict=True)), guarded=False)
    session.rollback()
    assert session.scalar(select(func.max(RuleDay.used))) > LIMIT


def test_these_races_fail_without_the_guard_of_the_balance(session: Session, database_url: str) -> None:
    rounds = [spendings(session, 1)]
    session.commit()
    # The table's own check is the last line: without the guard the processes run into it.
    with pytest.raises(DBAPIError):
        race(database_url, list(zip(*rounds, strict=True)), guarded=False)
