"""A run moved from a closed day: wherever it is named, its start is shown with the planned time beside it."""

from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from tests.modules.automation_pages import make_rule, make_run
from tests.modules.test_mcp import use as mcp
from tests.people import People, browser_of, make_people, program_of

NOW = datetime.now(UTC).replace(microsecond=0)
LAST_WEEK, NEXT_DAYS = NOW - timedelta(days=6), NOW + timedelta(days=2)
WHY = "The site is closed on Saturday, so it was moved to Monday."


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def page(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def moved_run(session: Session, people: People, status: str, starts_at: datetime) -> ScheduledTask:
    rule = make_rule(session, people.account, schedule={"cron": "0 2 * * *", "timezone": "UTC"})
    values = {"status": status, "attempt": 0 if status == "pending" else 1, "cause": "schedule"}
    return make_run(
        session, rule, **values, scheduled_at=LAST_WEEK, moved_to_at=starts_at, not_before=starts_at,
        detail={"options": {"moved": WHY}},
    )  # fmt: skip


def instants(text: str, within: str) -> list[datetime]:
    """The times that are shown in these places, in their order."""
    found = BeautifulSoup(text, "html.parser").select(f"{within} time")
    return [datetime.fromisoformat(str(one["datetime"])).replace(microsecond=0) for one in found]


@pytest.mark.parametrize(
    ("status", "starts_at"), [("pending", NEXT_DAYS), ("completed", NOW - timedelta(days=4))]
)
def test_history_and_run_page_show_when_it_starts_and_when_it_was_planned(
    page: FlaskClient, session: Session, people: People, status: str, starts_at: datetime
) -> None:
    run = moved_run(session, people, status, starts_at)
    for columns in ("when", "time"):
        page.post("/history/columns", data={"columns": columns})
        text = page.get("/history").text
        assert instants(text, f"#run_{run.id} td.is-quiet")[:2] == [
            starts_at, LAST_WEEK
        ]  # fmt: skip
    text = page.get(f"/runs/{run.id}").text
    assert instants(text, ".page-lead") == [starts_at]
    assert instants(text, ".strip")[:2] == [LAST_WEEK, starts_at]
    assert WHY in text


def test_what_comes_is_in_the_order_in_which_it_starts(
    page: FlaskClient, session: Session, people: People
) -> None:
    """A near time that was moved comes after one of tomorrow, and both are said. Near is later than these tests end."""
    tomorrow, soon = NOW + timedelta(days=1), NOW + timedelta(hours=12)
    moved = moved_run(session, people, "pending", NEXT_DAYS)
    moved.scheduled_at = soon
    make_run(
        session, make_rule(session, people.account, name="Other"), "pending", scheduled_at=tomorrow, attempt=0,
        cause="schedule",
    )  # fmt: skip
    text = page.get("/history").text
    assert instants(text, "#coming_up") == [tomorrow, tomorrow, NEXT_DAYS, soon]


def test_programs_get_both_times(app: Flask, session: Session, people: People) -> None:
    run = moved_run(session, people, "pending", NEXT_DAYS)
    program = program_of(app, session, people.viewer)
    (listed,) = program.get("/api/automation/scheduled-tasks/").json["results"]
    for shown in (listed, program.get(f"/api/automation/scheduled-tasks/{run.id}/").json):
        times = [
            datetime.fromisoformat(shown[name]) for name in ("scheduled_at", "moved_to_at", "not_before")
        ]
        assert times == [LAST_WEEK, NEXT_DAYS, NEXT_DAYS]
    shown = mcp(program, "list_runs")["structuredContent"]["results"]
    assert [datetime.fromisoformat(one["moved_to_at"]) for one in shown] == [NEXT_DAYS]
