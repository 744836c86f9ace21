"""A row of a long list is flat: no macro is called for it, no address built, no time zone looked up."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from jinja2.runtime import Macro
from sqlalchemy.orm import Session

from app.modules import display
from tests.factories import (
    NOW,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.modules.automation_pages import make_rule, make_run
from tests.people import browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

ROWS = 4
PAGES = [
    "/history",
    "/rules",
    "/rules/1",
    "/keywords",
    "/clusters",
    "/clusters/1",
    "/ideas",
    "/tasks",
    "/content",
]
RUNS: list[dict[str, Any]] = [
    {"status": "completed", "credits_used": 5}, {"status": "failed", "reason": "action_failed"},
    {"status": "skipped", "reason": "conditions"}, {"status": "pending", "not_before": NOW},
]  # fmt: skip


def test_each_row_is_drawn_without_macros_addresses_and_zones(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    first = make_rule(session, people.account)
    owner = browser_of(app, session, people.owner)

    def fill() -> None:
        """So many more rows of each list, of every look."""
        for number in range(ROWS):
            rule = make_rule(session, people.account, is_active=number % 2 == 0)
            for values, whose in ((RUNS[number], rule), (RUNS[-number], first)):
                make_run(session, whose, ago=timedelta(hours=number), **values)
            cluster = make_cluster(session, sector).id
            make_keyword(session, sector, cluster_id=1)
            make_idea(session, sector, cluster_id=cluster)
            make_task(session, sector, due_on=NOW.date())
            make_content(session, sector, outline=True)
        session.commit()

    fill()
    for page in PAGES:
        owner.get(page)  # What is drawn once in a process is drawn by now.
    few = {page: calls_of(app, monkeypatch, lambda page=page: owner.get(page)) for page in PAGES}
    fill()
    many = {page: calls_of(app, monkeypatch, lambda page=page: owner.get(page)) for page in PAGES}
    assert all(counts["macro"] > 0 for counts in few.values())
    # A rule's own page may say more about the rule; a row that called anything would call it ROWS times.
    added = {page: many[page] - few[page] for page in PAGES}
    assert {page: more for page, more in added.items() if more.total() >= ROWS} == {}


def calls_of(app: Flask, monkeypatch: pytest.MonkeyPatch, get: Callable[[], Any]) -> Counter[str]:
    """How often a page calls what no row may call."""
    counts: Counter[str] = Counter()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **values: Any) -> Any:
            counts[name] += 1
            return function(*args, **values)

        return count

    with monkeypatch.context() as patch:
        patch.setattr(Macro, "_invoke", counting("macro", Macro._invoke))
        patch.setattr(app, "url_for", counting("address", app.url_for))
        patch.setattr(display, "viewer_zone", counting("zone", display.viewer_zone))
        answer = get()
    assert answer.status_code == 200
    return counts
