"""What the dashboard and the calendar read does not grow with what an account has: neither statements nor rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.business.automation.services.rules import known_rules
from app.infrastructure.database import db
from app.modules.automation.rule_form import choices
from tests.factories import make_content, make_keyword, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

PAGES = ["/", "/?days=1", "/?days=90", "/calendar"]
LIMITED: tuple[tuple[Any, str, Any], ...] = (
    (known_rules, "LOOKED_AT", known_rules._switched_on),
    (choices, "MOST_NAMED", choices._names),
)
"""What many rules are read for, by the newest or first of them."""
AT_ONCE = 30
"""More than any list of it shows."""


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Statements and rows of the block."""
    found = {"statements": 0, "rows": 0}

    def row(_cursor: Any, values: Any) -> Any:
        found["rows"] += 1
        return values

    def take(connection: Any, *_: Any) -> None:
        connection.row_factory = row

    def leave(connection: Any, *_: Any) -> None:
        connection.row_factory = None

    def execute(*_: Any) -> None:
        found["statements"] += 1

    listeners = (("checkout", take), ("checkin", leave), ("before_cursor_execute", execute))
    for name, listener in listeners:
        event.listen(db.engine, name, listener)
    try:
        yield found
    finally:
        for name, listener in listeners:
            event.remove(db.engine, name, listener)


def test_it_does_not_grow(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, limit, query in LIMITED:
        monkeypatch.setattr(module, limit, 10)
        query.cache_clear()
    # The shared look at the machinery falls into any moment.
    monkeypatch.setattr(app.extensions["machinery"], "not_working", lambda: ())
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    browser = browser_of(app, session, people.owner)

    def fill() -> None:
        """Rules, runs of today and of other days that ended, and records."""
        for number in range(AT_ONCE):
            rule = make_rule(session, people.account, **ON_KEYWORDS, schedule={})
            for status, values in (
                ("completed", {"credits_used": 5}),
                ("failed", {"reason": "action_failed"}),
            ):
                make_run(session, rule, ago=timedelta(hours=number), status=status, **values)
            make_keyword(session, sector)
            make_content(session, sector)
        session.commit()

    def read() -> dict[str, dict[str, int]]:
        found = {}
        for page in PAGES:
            session.close()
            with counted() as found[page]:
                assert browser.get(page).status_code == 200
                session.close()
        return found

    fill()
    read()  # What is read once in a process is read by now.
    few = read()
    fill()
    assert read() == few
    for _, _, query in LIMITED:
        query.cache_clear()
