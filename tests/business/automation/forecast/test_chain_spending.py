"""A chain of runs that uses many credits within an hour is named once, whatever its rules."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.services.forecast.chain_spending import watch_chains
from tests.business.automation.forecast.past_use import make_paid_rule, use
from tests.factories import make_account, make_plan


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session, credits=10_000, plan=make_plan(session, monthly_credits=1000))


def told(session: Session) -> list[str]:
    return list(session.scalars(select(Notice.title)))


@pytest.mark.both_databases
def test_a_dear_chain_is_named_once(session: Session, account: Account, now: datetime) -> None:
    rule = make_paid_rule(session, account, now - timedelta(days=1), name="Ideas at night")
    first = use(session, rule, 40, now)
    assert watch_chains(session, now) == 0
    use(session, rule, 61, now, root_id=first.id)
    assert (watch_chains(session, now), watch_chains(session, now)) == (1, 0)
    assert told(session) == ["“Ideas at night” and what it started used 101 credits within an hour"]
    assert session.scalars(select(Notice.run_id)).all() == [first.id]


def test_other_chains_and_earlier_hours_do_not_add_up(
    session: Session, account: Account, now: datetime
) -> None:
    rule = make_paid_rule(session, account, now - timedelta(days=1))
    first = use(session, rule, 90, now - timedelta(minutes=70))
    use(session, rule, 90, now, root_id=first.id)
    use(session, rule, 90, now)
    assert watch_chains(session, now) == 0


def test_an_owner_sets_from_how_many_on(session: Session, account: Account, now: datetime) -> None:
    account.chain_notice_credits = 20
    use(session, make_paid_rule(session, account, now - timedelta(days=1)), 21, now)
    session.flush()
    assert watch_chains(session, now) == 1
    assert "above 20;" in session.scalars(select(Notice.body)).one()
