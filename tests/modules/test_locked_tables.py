"""While a table of runs is locked, pages about other things are read as always, though their bar counts runs."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.infrastructure.database import db
from tests.people import browser_of, make_people

pytestmark = pytest.mark.both_databases
PAGES = ("/sites", "/keywords", "/content", "/settings")


@pytest.fixture
def locked_runs(session: Session) -> Iterator[None]:
    if session.get_bind().dialect.name == "sqlite":
        pytest.skip("On SQLite readers wait for nobody.")
    session.commit()
    with db.engine.connect() as somebody:
        somebody.exec_driver_sql("LOCK TABLE scheduled_task IN ACCESS EXCLUSIVE MODE NOWAIT")
        yield
        somebody.rollback()


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_other_pages_are_read(
    app: Flask, session: Session, request: pytest.FixtureRequest, role: str
) -> None:
    browser = browser_of(app, session, getattr(make_people(session), role))
    request.getfixturevalue("locked_runs")
    answers = {page: browser.get(page).status_code for page in PAGES}
    assert set(answers.values()) == {200}, answers
