"""The calendar by page and API: planned times only, by day, of what a person may see."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.factories import make_sector, make_site
from tests.modules.automation_pages import counted, make_rule, make_run
from tests.people import People, browser_of, make_people, program_of

DAILY = {"schedule": {"cron": "30 2 * * *", "timezone": "UTC"}}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def program(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.viewer)


def day_ahead(days: int) -> date:
    return datetime.now(UTC).date() + timedelta(days=days)


def test_days_are_given_until_before_to(program: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account, **DAILY)
    make_rule(session, people.stranger.account, **DAILY)
    first, end = day_ahead(3), day_ahead(6)
    found = program.get(f"/api/automation/calendar/?from={first}&to={end}").json
    assert {*found} == {"days", "credits_end_on"}
    assert [day["date"] for day in found["days"]] == [str(day_ahead(number)) for number in (3, 4, 5)]
    for day in found["days"]:
        (run,) = day["runs"]
        assert {*run} == {"automation_rule", "at", "credits", "note"}
        assert (run["automation_rule"], run["note"]) == (rule.id, "")
        assert (
            datetime.fromisoformat(run["at"]).astimezone(UTC).isoformat() == f"{day['date']}T02:30:00+00:00"
        )
        assert day["credits"] == run["credits"] > 0


def test_only_planned_times_that_are_to_come(program: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account, **DAILY)
    make_run(session, rule, "completed", timedelta(days=2), cause="schedule")
    found = program.get(f"/api/automation/calendar/?from={day_ahead(-3)}&to={day_ahead(0)}").json
    assert [day["runs"] for day in found["days"]] == [[], [], []]
    assert len(program.get("/api/automation/calendar/").json["days"]) == 90
    site = make_site(session, people.account)
    make_sector(session, site)
    session.commit()
    later = f"from={day_ahead(3)}&to={day_ahead(4)}"
    assert program.get(f"/api/automation/calendar/?{later}&site={site.id}").json["days"][0]["runs"] == []


@pytest.mark.parametrize(
    "query", ["from=2026-12-02&to=2026-12-02", "from=2026-12-02&to=2026-12-01", "to=2099-01-01", "from=soon"]
)
def test_a_period_that_makes_no_sense_is_refused(program: FlaskClient, query: str) -> None:
    answer = program.get(f"/api/automation/calendar/?{query}")
    assert answer.status_code == 400
    assert answer.json["errors"].keys() <= {"to", "from"}


def test_runs_of_one_rule_for_several_sites_at_one_time_are_one_line(
    app: Flask, session: Session, people: People
) -> None:
    for name in ("Boots", "Tents"):
        make_sector(session, make_site(session, people.account, name=name))
    viewer = browser_of(app, session, people.viewer)
    assert "No rule has a schedule" in viewer.get("/calendar").text
    make_rule(session, people.account, name="Each", split_by="site", **DAILY)
    make_rule(session, people.account, name="Whole", schedule={"cron": "15 1 * * *", "timezone": "UTC"})
    text = viewer.get(f"/calendar?day={day_ahead(2)}").text
    assert "No rule has a schedule" not in text
    list_of_day = text.partition('<ul class="coming">')[2].partition("</ul>")[0]
    lines = [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in list_of_day.split("</li>")[:-1]]
    assert [re.sub(r" at most \d+ credits?", "", line) for line in lines] == [
        "01:15 Whole",
        "02:30 Each · Boots · Tents",
    ]


def test_the_page_shows_what_comes_and_what_ran(app: Flask, session: Session, people: People) -> None:
    rule = make_rule(session, people.account, name="Nightly", **DAILY)
    make_run(session, rule, "completed", timedelta(days=8))
    owner = browser_of(app, session, people.owner)
    text = owner.get(f"/calendar?day={day_ahead(2)}").text
    assert "Nightly</a>" in text
    past = day_ahead(-8)
    text = owner.get(f"/calendar?from={past}&day={past}").text
    assert "Ran: 1 completed." in " ".join(text.split())
    assert owner.get("/calendar?from=nonsense&day=x&site=y").status_code == 200
    with counted() as few:
        owner.get("/calendar")
    for number in range(6):
        make_rule(session, people.account, name=f"Rule {number}", **DAILY)
    with counted() as many:
        owner.get("/calendar")
    assert len(many) <= len(few) + 6  # A rule with little history has its use estimated.
