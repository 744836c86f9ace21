"""PostgreSQL keeps the plans of what pages ask, from one page to the next, and not of anything else."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import QueuePool, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.infrastructure import kept_plans
from app.infrastructure.database import db, only_reading
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True, scope="session")

PAGES = ("/", "/history", "/calendar")


@pytest.fixture
def people(session: Session) -> Iterator[People]:
    people = make_people(session)
    make_run(session, make_rule(session, people.account), status="completed")
    session.commit()
    # Pages say how long ago something was.
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield people


def opened(browser: FlaskClient, times: int = 4) -> list[str]:
    """The pages after so many times, without the keys that differ each time."""
    for _ in range(times):
        pages = [browser.get(page).text.partition("<main")[2] for page in PAGES]
    return [re.sub(r'value="[^"]{20,}"', "", page) for page in pages]


def kept() -> Counter[str]:
    """Statements of which the server keeps plans, and how often it has used them, on all connections of the pool."""
    found: Counter[str] = Counter()
    used = text("SELECT statement, generic_plans + custom_plans AS used FROM pg_prepared_statements")
    db.session.remove()
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    idle = pool.checkedin()
    # No transaction: at the end of one the driver would let go of them.
    looking = db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with ExitStack() as stack:
        for connection in [stack.enter_context(looking.connect()) for _ in range(idle)]:
            found.update({row.statement: row.used for row in connection.execute(used)})
    return found


def test_plans_last_from_page_to_page(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.owner)
    session.close()
    opened(browser)
    after = kept()
    assert any("run_pace_day" in statement for statement in after)
    opened(browser)
    again = kept()
    assert [statement for statement, used in after.items() if again[statement] < used + 4] == []


ADDED = (
    "ALTER TABLE scheduled_task ADD COLUMN added varchar NOT NULL DEFAULT ''",
    "ALTER TABLE run_day ADD COLUMN added integer",
    "CREATE INDEX ix_added ON scheduled_task (account_id, added)",
    "ALTER INDEX ix_scheduled_task_user RENAME TO ix_scheduled_task_person",
)
TAKEN_BACK = (
    "ALTER TABLE scheduled_task DROP COLUMN added",
    "ALTER TABLE run_day DROP COLUMN added",
    "ALTER INDEX ix_scheduled_task_person RENAME TO ix_scheduled_task_user",
)
ZONES = "ALTER TABLE rule_activation ALTER COLUMN zones TYPE {0} USING zones::{0}"


def change(*statements: str) -> None:
    with db.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_pages_follow_a_changed_schema(app: Flask, session: Session, people: People) -> None:
    """As an upgrade changes it under a web process."""
    browser = browser_of(app, session, people.owner)
    session.close()
    before = opened(browser)
    assert kept()
    change(*ADDED)
    try:
        assert opened(browser) == before
        assert kept()
    finally:
        db.session.remove()
        change(*TAKEN_BACK)
    assert opened(browser) == before


def test_a_column_of_another_type_fails_one_page(app: Flask, session: Session, people: People) -> None:
    """The process gives up all of its connections then, for each has such a plan."""
    browser = browser_of(app, session, people.owner)
    session.close()
    with db.engine.connect():
        # Pages are read by another connection meanwhile.
        opened(browser)
    before = opened(browser)
    assert kept()
    change(ZONES.format("json"))
    try:
        assert browser.get("/").status_code == HTTPStatus.SERVICE_UNAVAILABLE
        db.session.remove()
        assert opened(browser) == before
    finally:
        db.session.remove()
        change(ZONES.format("jsonb"))
        # Whose plans are those of the other type: the next test would have this page.
        db.engine.dispose()


def test_what_a_request_that_reads_has_changed_is_undone(
    app: Flask, session: Session, people: People
) -> None:
    with app.test_request_context("/"), only_reading():
        mine = db.session.get_one(Account, people.account.id)
        mine.name = "Changed"
        db.session.flush()
        kept_plans._end_reading(None)
        db.session.remove()
    session.expire_all()
    assert session.get_one(Account, people.account.id).name != "Changed"
