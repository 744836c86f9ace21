"""The engine in the test's own process, and a place to work in."""

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.factories import make_account, make_sector, make_site


@pytest.fixture
def machine(session: Session) -> Machine:
    return Machine(session)


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def sector(session: Session, account: Account) -> Sector:
    return make_sector(session, make_site(session, account))
