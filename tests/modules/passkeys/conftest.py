"""The people, the clock, and a device of the viewer's."""

from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session

from app.business.accounts.services.passwords import HASHER
from app.modules.throttle import limiter
from tests.authenticator import Device
from tests.modules.passkeys.browsers import AT, PASSWORD, added
from tests.people import People, browser_of, make_people


@pytest.fixture(scope="module")
def password_hash() -> str:
    return HASHER.hash(PASSWORD)


@pytest.fixture
def people(session: Session, password_hash: str) -> People:
    people = make_people(session)
    people.viewer.password_hash = password_hash
    session.commit()
    return people


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    limiter.reset()
    with time_machine.travel(AT, tick=False) as clock:
        yield clock


@pytest.fixture
def device(app: Flask, session: Session, people: People) -> Device:
    """The viewer's."""
    return added(browser_of(app, session, people.viewer))
