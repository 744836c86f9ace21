"""Calendars by page and API: who may change them, what is refused beside its field, and what two people do at once."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.automation.calendar_models import SiteCalendar
from app.business.planner.models import Site
from tests.factories import make_site
from tests.modules.automation_pages import make_rule
from tests.modules.rule_form_answers import DAILY, LIMITS, answer, up_to_check
from tests.people import People, browser_of, make_people, program_of

OFFICE = {"working_hours": [{"weekday": day, "opens": "09:00", "closes": "17:00"} for day in range(1, 6)]}
CLOSED = {"name": "Move", "starts_on": "2026-01-01", "ends_on": "2026-01-02", "yearly": True}
FORM = {"open1": "y", "opens1": "09:00", "closes1": "17:00", "open2": "y", "country": "", "region": ""}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def site(session: Session, people: People) -> Site:
    site = make_site(session, people.account, name="Example Shop")
    session.commit()
    return site


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def page(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def of_site(site: Site) -> str:
    return f"/api/planner/sites/{site.id}/calendar/"


def test_a_calendar_is_put_read_and_removed(owner: FlaskClient, session: Session, site: Site) -> None:
    at = of_site(site)
    assert owner.get(at).status_code == 404
    put = owner.put(at, json=OFFICE | {"pauses": [CLOSED], "country": "de", "region": "Bayern"})
    assert (put.status_code, put.headers["ETag"]) == (200, '"1"')
    assert put.json == OFFICE | {"pauses": [CLOSED], "country": "DE", "region": "BY"}
    assert owner.get(at).json == put.json
    assert owner.put(at, json={}, headers={"If-Match": '"7"'}).status_code == 412
    assert owner.put(at, json={"country": "US"}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'
    assert owner.delete(at, headers={"If-Match": '"1"'}).status_code == 412
    assert owner.delete(at).status_code == 204
    assert (owner.get(at).status_code, owner.delete(at).status_code) == (404, 404)
    assert owner.put(at, json={}).headers["ETag"] == '"4"', "versions never repeat"
    actions = (
        select(AuditEntry.action).where(AuditEntry.action.startswith("calendar.")).order_by(AuditEntry.id)
    )
    assert session.scalars(actions).all() == ["calendar.changed"] * 2 + [
        "calendar.removed",
        "calendar.changed",
    ]


def test_the_account_has_a_calendar_too(owner: FlaskClient, session: Session, site: Site) -> None:
    assert owner.put("/api/accounts/calendar/", json=OFFICE).status_code == 200
    assert owner.get("/api/accounts/calendar/").json["working_hours"][0]["opens"] == "09:00"
    assert owner.get(of_site(site)).status_code == 404, "the site's own is another one"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"working_hours": [{"weekday": 0}]}, "working_hours.0.weekday"),
        ({"working_hours": [{"weekday": 1, "opens": "9 am"}]}, "working_hours.0.opens"),
        ({"working_hours": []}, "working_hours"),
        ({"pauses": [{"starts_on": "2026-01-02", "ends_on": "2026-01-01"}]}, "pauses.0"),
        ({"pauses": [{"starts_on": 5, "ends_on": "2026-01-01"}]}, "pauses.0.starts_on"),
        ({"pauses": [CLOSED | {"name": "a\u202eb"}]}, "pauses.0.name"),
        ({"pauses": [CLOSED | {"name": "a\nb"}]}, "pauses.0.name"),
        ({"country": "Atlantis"}, "country"),
        ({"country": "DE", "region": "Texas"}, "region"),
        ({"hours": []}, "hours"),
    ],
)
def test_the_api_refuses_beside_the_field(
    owner: FlaskClient, site: Site, body: dict[str, Any], path: str
) -> None:
    answer = owner.put(of_site(site), json=body)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [path])


def test_people_limited_to_other_sites_find_no_calendar(
    app: Flask, session: Session, people: People, site: Site
) -> None:
    other = browser_of(app, session, people.stranger)
    assert other.get(f"/sites/{site.id}/calendar").status_code == 404
    viewer = browser_of(app, session, people.viewer)
    text = viewer.get(f"/sites/{site.id}/calendar").text
    assert "Open always" in text
    assert "Save" not in text
    assert viewer.post(f"/sites/{site.id}/calendar", data=FORM).status_code == 403


def test_the_form_saves_weeks_pauses_and_pasted_dates(
    page: FlaskClient, session: Session, site: Site
) -> None:
    form = FORM | {
        "first0": "2027-08-02",
        "name0": "Summer",
        "pasted": "2027-05-14 Bridge day\n\n2027-06-01 2027-06-03 Fair",
    }
    assert page.post(f"/sites/{site.id}/calendar", data=form | {"version": "0"}).status_code == 303
    stored = session.scalars(select(SiteCalendar.definition)).one()
    assert stored["working_hours"] == [
        {"weekday": 1, "opens": "09:00", "closes": "17:00"}, {"weekday": 2, "opens": "00:00", "closes": "24:00"}
    ]  # fmt: skip
    assert [(one["name"], one["starts_on"], one["ends_on"]) for one in stored["pauses"]] == [
        ("Bridge day", "2027-05-14", "2027-05-14"),
        ("Fair", "2027-06-01", "2027-06-03"),
        ("Summer", "2027-08-02", "2027-08-02"),
    ]
    shown = page.get(f"/sites/{site.id}/calendar").text
    assert 'value="2027-05-14"' in shown
    assert "Open Monday 09:00 to 17:00, Tuesday, closed in 3 pauses" in page.get(f"/sites/{site.id}").text


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"opens1": "18:00"}, "closes1", "Monday closes before it opens"),
        ({"opens1": "soon"}, "opens1", "Write a time of day"),
        ({"open1": "", "open2": ""}, "open1", "at least one day"),
        ({"first0": "2027-08-02", "last0": "2027-08-01"}, "last0", "The last day is before the first"),
        ({"pasted": "next week"}, "pasted", "has no date"),
        ({"region": "BY"}, "region", "Choose the country"),
        ({"country": "DE", "region": "Texas"}, "region", "Germany has no region"),
    ],
)
def test_an_error_stands_beside_its_field(
    page: FlaskClient, session: Session, site: Site, changes: dict[str, str], field: str, sentence: str
) -> None:
    form = {name: value for name, value in (FORM | changes).items() if value or name not in changes}
    answer = page.post(f"/sites/{site.id}/calendar", data=form)
    assert answer.status_code == 422
    beside = answer.text.partition(f'id="{field}-error"')[2].partition("</div>")[0]
    assert sentence in beside
    assert session.scalars(select(SiteCalendar)).all() == []


def test_more_rows_keep_what_was_entered_and_save_nothing(
    page: FlaskClient, session: Session, site: Site
) -> None:
    form = FORM | {"first0": "2027-08-02", "first1": "", "first2": "", "more": "1"}
    text = page.post(f"/sites/{site.id}/calendar", data=form).text
    assert 'name="first5"' in text
    assert 'value="2027-08-02"' in text
    assert session.scalars(select(SiteCalendar)).all() == []


def test_who_saves_over_another_change_is_told_what_it_says(
    page: FlaskClient, owner: FlaskClient, site: Site
) -> None:
    owner.put(of_site(site), json={"country": "US"})
    answer = page.post(f"/sites/{site.id}/calendar", data=FORM | {"version": "0"})
    assert answer.status_code == 412
    assert "Open every day, closed on the public holidays of United States" in answer.text
    assert 'value="09:00"' in answer.text, "what was entered stays"
    assert page.post(f"/sites/{site.id}/calendar", data=FORM | {"version": "1"}).status_code == 303


def test_pages_and_api_say_what_closed_days_do(
    page: FlaskClient, owner: FlaskClient, session: Session, people: People, site: Site
) -> None:
    today = datetime.now(UTC).date()
    pause = {"name": "Works outing", "starts_on": str(today), "ends_on": str(today + timedelta(days=6))}
    nightly = {"cron": "30 2 * * *", "timezone": "UTC"}
    rules = {
        choice: make_rule(
            session, people.account, name=choice, schedule=nightly, site=site.id, on_closed_days=choice
        )
        for choice in ("skip", "move", "run")
    }
    session.commit()
    owner.put(of_site(site), json={"pauses": [pause]})
    first, end = today + timedelta(days=2), today + timedelta(days=9)
    days = owner.get(f"/api/automation/calendar/?from={first}&to={end}&site={site.id}").json["days"]
    notes = {(run["automation_rule"], day["date"]): run for day in days for run in day["runs"]}
    left_out = notes[rules["skip"].id, str(first)]
    assert left_out["note"].startswith("skipped: The site is closed on ")
    assert "(Works outing), by the calendar of Example Shop." in left_out["note"]
    assert left_out["credits"] == 0
    reopens = str(today + timedelta(days=7))
    assert notes[rules["run"].id, str(first)]["note"] == ""
    assert notes[rules["skip"].id, reopens]["note"] == notes[rules["move"].id, reopens]["note"] == ""
    text = page.get(f"/calendar?site={site.id}&day={first}").text
    assert "Closed: Works outing." in text
    shown = {one["name"]: one["next_run_at"] for one in owner.get("/api/automation/rules/").json["results"]}
    assert shown["skip"] == shown["move"] == f"{reopens}T02:30:00Z"
    assert shown["run"] < shown["skip"]
    found = owner.post(f"/api/automation/rules/{rules['skip'].id}/preflight/").text
    assert "planned times fall on closed days. The site is closed on" in found


def test_a_split_rule_says_what_each_site_does_on_closed_days(
    page: FlaskClient, owner: FlaskClient, session: Session, people: People, site: Site
) -> None:
    """Two sites closed for different days, one open: in the checks of a saved rule, and before it is saved."""
    today = datetime.now(UTC).date()
    other, always = (make_site(session, people.account, name=name) for name in ("Blog", "Always"))
    closed_on = today + timedelta(days=2)
    weekly = {"cron": f"30 2 * * {closed_on.isoweekday() % 7}", "timezone": "UTC"}
    split = {"split_by": "site", "on_closed_days": "move"}
    rule = make_rule(session, people.account, schedule=weekly, **split)
    session.commit()
    for closed, days in ((site, 6), (other, 3)):
        pause = {"starts_on": str(today), "ends_on": str(today + timedelta(days=days))}
        owner.put(of_site(closed), json={"pauses": [pause]})
    found = owner.post(f"/api/automation/rules/{rule.id}/preflight/").json["findings"]
    (said,) = (one["message"] for one in found if one["code"] == "closed_days")
    assert said.startswith(
        "On 2 of its 3 sites the next planned times fall on closed days. Example Shop moves 1: "
    )
    assert re.search(r"by the calendar of Blog, so it was moved to \w+ \d", said)
    assert always.name not in said
    draft, often = up_to_check(page), DAILY | split | {"at": "02:30", "timezone": "UTC"}
    shown = BeautifulSoup(page.post(f"{draft}/often/preview", data=often).text, "html.parser")
    lines = [" ".join(line.text.split()) for line in shown.select(".preview-notes li")]
    for line, name, counts in zip(lines, ("Example Shop", "Blog"), ("[67]", "[34]"), strict=True):
        assert re.match(
            f"{name} skips {counts} of its next 10. First: The site is closed on .*takes its place", line
        )


def closed_lines(text: str) -> list[str]:
    shown = [
        " ".join(line.text.split()) for line in BeautifulSoup(text, "html.parser").select("#day .card-quiet")
    ]
    return [line for line in shown if line.startswith("Closed")]


def test_the_calendar_of_all_sites_names_what_closes_which(
    app: Flask, page: FlaskClient, owner: FlaskClient, session: Session, people: People, site: Site
) -> None:
    """The account's closed days, and those of sites with calendars of their own; a person of two sites sees theirs."""
    on = datetime.now(UTC).date() + timedelta(days=3)
    blog, shop, other = (make_site(session, people.account, name=name) for name in ("Blog", "Shop", "Other"))
    session.commit()

    def pause(name: str, days: int) -> dict[str, Any]:
        return {"pauses": [{"name": name, "starts_on": str(on), "ends_on": str(on + timedelta(days=days))}]}

    for place in (site, blog):
        owner.put(of_site(place), json=pause("Works outing", 0))
    owner.put(of_site(shop), json=pause("Stocktaking", 0))
    page_of_day = f"/calendar?day={on}"
    text = page.get(page_of_day).text
    marks = BeautifulSoup(text, "html.parser").select(".calendar-mark.is-closed")
    assert [" ".join(mark.text.split()) for mark in marks] == ["3 sites closed"]
    assert closed_lines(text) == [
        "Closed at Blog, Example Shop: Works outing.", "Closed at Shop: Stocktaking."
    ]  # fmt: skip
    owner.put("/api/accounts/calendar/", json=pause("Holiday", 1))
    assert closed_lines(page.get(page_of_day).text)[0] == "Closed: Holiday."
    assert closed_lines(page.get(f"/calendar?day={on + timedelta(days=1)}").text) == ["Closed: Holiday."]
    assert closed_lines(page.get(f"{page_of_day}&site={shop.id}").text) == ["Closed: Stocktaking."]
    people.viewer.site_ids = [shop.id, other.id]
    session.commit()
    limited = browser_of(app, session, people.viewer)
    assert closed_lines(limited.get(page_of_day).text) == [
        "Closed at Other: Holiday.",
        "Closed at Shop: Stocktaking.",
    ]


def test_what_a_calendar_leaves_out_does_not_count_for_the_limit(
    page: FlaskClient, owner: FlaskClient, session: Session, people: People, site: Site
) -> None:
    """Hourly means 24 runs a day, and eight within the working hours: a limit of ten stops only the first."""
    hourly = {"cron": "0 * * * *", "timezone": "UTC"}
    rules = [
        make_rule(session, people.account, name=name, schedule=hourly, max_executions_per_day=10, **more)
        for name, more in (("One", {"site": site.id}), ("Split", {"split_by": "site"}))
    ]
    session.commit()
    draft = up_to_check(page)
    answer(
        page, draft, ("where", {"place": f"site:{site.id}"}), ("limits", LIMITS | {"max_executions_per_day": "10"})
    )  # fmt: skip
    often = DAILY | {"frequency": "cron", "cron": "0 * * * *", "timezone": "UTC"}

    def warned() -> list[bool]:
        checked = [owner.post(f"/api/automation/rules/{rule.id}/preflight/").text for rule in rules]
        shown = page.post(f"{draft}/often/preview", data=often).text
        return [*("daily_limit_below_schedule" in text for text in checked), "would stop it there" in shown]

    assert warned() == [True, True, True]
    owner.put(of_site(site), json=OFFICE)
    assert warned() == [False, False, False]
