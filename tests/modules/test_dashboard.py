"""Dashboard, history and the switch that pauses everything."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.notices import add_notice, mark_settled
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.auditing.invariants import Breach, notify_owners
from app.business.automation.services.triggering.watch import KEY as LATE
from app.business.outlets.services.incidents import recover
from tests.factories import make_content, make_incident, make_keyword, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, counted, make_rule, make_run
from tests.people import People, browser_of, make_people

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def test_an_empty_dashboard_says_what_to_do_first(owner: FlaskClient) -> None:
    text = owner.get("/").text
    assert "0 of 4 done" in text
    assert re.findall(r'<li class="first-step([^"]*)"', text) == [" is-next", "", "", ""]
    assert "New rule" in text
    assert "has its run" not in text
    assert "Success" not in text


def test_first_steps_go_when_they_are_done(owner: FlaskClient, session: Session, people: People) -> None:
    sector = make_sector(session, make_site(session, people.account))
    make_keyword(session, sector)
    make_rule(session, people.account)
    text = owner.get("/").text
    assert "3 of 4 done" in text
    assert re.findall(r'<li class="first-step([^"]*)"', text) == [" is-done"] * 3 + [" is-next"]
    make_content(session, sector)
    session.commit()
    assert "first_steps" not in owner.get("/").text


def test_one_line_says_whether_all_is_well(
    app: Flask, owner: FlaskClient, session: Session, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.extensions["machinery"], "not_working", lambda: ())
    rule = make_rule(session, people.account)
    text = owner.get("/").text
    assert "All is well" in text
    assert "Nothing waits for a person." in text
    assert "1 rule is on, the next starts" in " ".join(text.split())
    make_run(session, rule, "failed", reason="timed_out")
    assert "1 thing needs you" in owner.get("/").text
    monkeypatch.setattr(app.extensions["machinery"], "not_working", lambda: ("Clock worker",))
    assert "All is well" not in owner.get("/").text


def test_an_empty_balance_needs_somebody_before_a_run_waits_for_it(
    owner: FlaskClient, session: Session, people: People
) -> None:
    make_rule(session, people.account)
    people.account.credits_balance = people.account.credits_held
    session.commit()
    text = " ".join(owner.get("/").text.split())
    assert "All is well" not in text
    assert "No credits are left for new runs" in text
    assert "What costs credits does not start until" in text


def test_a_failed_run_of_an_open_incident_counts_once(
    app: Flask, owner: FlaskClient, session: Session, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.extensions["machinery"], "not_working", lambda: ())
    rule = make_rule(session, people.account)
    run = make_run(session, rule, "failed", reason="action_failed")
    incident = make_incident(session, people.account, run_id=run.id, rule_id=rule.id)
    session.commit()
    needs = needs_of(owner)
    assert "1 thing needs you" in owner.get("/").text
    assert f"/incidents/{incident.id}" in needs
    assert f"/runs/{run.id}" not in needs
    recover(session, incident, datetime.now(UTC), is_quiet=True)
    session.commit()
    assert f"/runs/{run.id}" in needs_of(owner)
    for _ in range(4):
        make_incident(session, people.account)
    session.commit()
    assert needs_of(owner).count("Open the incident") == 3
    assert 'href="/incidents?status=open"' in needs_of(owner)


def test_while_all_is_paused_no_page_promises_a_start(
    app: Flask, owner: FlaskClient, session: Session, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.extensions["machinery"], "not_working", lambda: ())
    rule = make_rule(session, people.account)
    on_event = make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={})
    owner.post("/pause-all")
    page = owner.get("/").text
    assert "All is well" not in page
    assert "Times are planned again when somebody resumes it." in page
    assert "No times are planned while all automation is paused" in owner.get("/calendar").text
    assert owner.get("/rules").text.count("Once resumed") == 2
    assert "What you start here waits" in owner.get(f"/rules/{rule.id}/run").text
    for one in (rule, on_event):
        assert "Once all automation is resumed" in owner.get(f"/rules/{one.id}").text


def needs_of(browser: FlaskClient) -> str:
    return browser.get("/").text.partition("Needs you")[2].partition("Coming up")[0]


def test_what_needs_somebody_leads_to_what_helps(
    owner: FlaskClient, session: Session, people: People
) -> None:
    account, now = people.account, datetime.now(UTC)
    rule = make_rule(session, account)
    make_run(session, rule, "pending", attempt=0, waiting_for="review", root_id=1)
    make_content(session, make_sector(session, make_site(session, account)))
    late = {"level": "danger", "body": "It was planned for 02:30.", "role": "operator", "now": now}
    add_notice(session, account_id=account.id, title="“Nightly” did not start", key=LATE, **late)
    session.commit()
    text = " ".join(owner.get("/").text.split())
    for words in (
        "A long chain of runs waits for a person",
        "1 article waits for a check",
        "“Nightly” did not start",
    ):
        assert words in text
    assert 'href="/my-work"' in text
    mark_settled(session, LATE, now, still=[])
    session.commit()
    assert "did not start" not in owner.get("/").text


def test_the_dashboard_of_a_site_shows_only_that_site(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    here, there = (make_site(session, people.account) for _ in range(2))
    of_site = make_run(session, rule, "completed", site_id=here.id)
    make_run(session, rule, "failed", site_id=there.id, reason="timed_out")
    make_run(session, rule, "failed", reason="timed_out")
    text = owner.get(f"/?site={here.id}&days=7").text
    assert re.findall(r'class="row-link" href="/runs/(\d+)"', text) == [str(of_site.id)]
    assert "1 completed, 0 failed" in text
    strange = make_site(session, people.stranger.account)
    session.commit()
    assert "1 completed, 2 failed" in owner.get(f"/?site={strange.id}&days=x").text


@pytest.mark.parametrize(("days", "shown"), [("1", 1), ("7", 2), ("30", 3), ("90", 4)])
def test_the_period_stands_in_the_address(
    owner: FlaskClient, session: Session, people: People, days: str, shown: int
) -> None:
    rule = make_rule(session, people.account)
    for ago in (timedelta(minutes=1), timedelta(days=5), timedelta(days=25), timedelta(days=80)):
        make_run(session, rule, "completed", ago)
    text = owner.get(f"/?days={days}").text
    assert f"{shown} completed, 0 failed" in text
    assert f'href="/{"" if days == "30" else f"?days={days}"}" aria-current="true"' in text


def test_a_client_sees_what_was_made_and_what_waits(app: Flask, session: Session, people: People) -> None:
    make_run(session, make_rule(session, people.account), "failed", reason="timed_out")
    sector = make_sector(session, make_site(session, people.account))
    now = datetime.now(UTC)
    make_content(session, sector, title="Waits", status="review", created_at=now)
    make_content(session, sector, title="A plan", status="draft", outline=True, created_at=now)
    make_content(session, sector, title="Is out", status="published", created_at=now, status_since=now)
    make_content(session, sector, title="Approved", status="approved", created_at=now)
    session.commit()
    text = browser_of(app, session, people.viewer).get("/").text
    for words in ("Written this month", "Waits</a>", "Is out</a>", "Approved</a>"):
        assert words in text
    for words in ("unaccounted", "Retry", "Success", "skipped"):
        assert words not in text
    waiting = text.partition("Waits for approval")[2].partition("</section>")[0]
    assert "<p>1</p>" in waiting
    assert "A plan" not in waiting, "a brief is not approved by a client"


def test_a_retry_of_all_failed_runs_is_of_the_site_that_is_shown(
    owner: FlaskClient, session: Session, people: People
) -> None:
    site, rule = make_site(session, people.account), make_rule(session, people.account)
    make_run(session, rule, "failed", site_id=site.id, reason="timed_out")
    make_run(session, rule, "failed", reason="timed_out")
    address = f"/history/retry?site={site.id}"
    assert f'href="{address}"' in owner.get(f"/?site={site.id}").text
    assert '<p class="rule-sentence">1 run' in owner.get(address).text
    assert '<p class="rule-sentence">2 runs' in owner.get("/history/retry").text


def test_owners_see_broken_invariants_by_row_until_all_is_well(
    app: Flask, owner: FlaskClient, session: Session, people: People
) -> None:
    rows = (f"{people.account.id}, 1001", "of somebody else")
    breach = Breach("balance", "A balance is off.", rows, (people.account.id, people.stranger.account_id))
    notify_owners(session, [breach], datetime.now(UTC))
    session.commit()
    assert f"A balance is off. Broken by: {people.account.id}, 1001." in owner.get("/").text
    assert "of somebody else" not in owner.get("/").text
    assert "A balance is off" not in browser_of(app, session, people.editor).get("/").text
    notify_owners(session, [], datetime.now(UTC))
    session.commit()
    assert "A balance is off" not in owner.get("/").text


def test_neighbouring_skips_share_one_line(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    for hours in (1, 2, 3):
        make_run(session, rule, "skipped", timedelta(hours=hours), reason="conditions")
    make_run(session, rule, "completed", timedelta(hours=4))
    text = owner.get("/history").text
    assert "3 times in a row" in text
    assert text.count('class="row-link"') == 2


def test_the_records_of_one_event_are_no_times_in_a_row(
    owner: FlaskClient, session: Session, people: People
) -> None:
    """The count of a skipped event is a number of records, that of missed planned times a number of times."""
    rule = make_rule(session, people.account)
    run = make_run(session, rule, "skipped", timedelta(hours=1), reason="conditions", cause="event", count=14)
    assert "times in a row" not in owner.get("/history").text
    run.cause, run.reason = "schedule", "missed"
    session.commit()
    assert "14 times in a row" in owner.get("/history").text


def test_the_filter_of_the_history_is_in_the_address(
    owner: FlaskClient, session: Session, people: People
) -> None:
    mine, other = make_rule(session, people.account), make_rule(session, people.account, name="Other rule")
    failed = make_run(session, mine, "failed", reason="timed_out")
    make_run(session, mine, "completed")
    make_run(session, other, "failed", reason="action_failed")
    text = owner.get(f"/history?status=failed&rule={mine.id}&reason=timed_out&since=7&cause=manual").text
    assert re.findall(r'class="row-link" href="/runs/(\d+)"', text) == [str(failed.id)]
    assert "No run fits this filter" in owner.get("/history?cause=api").text


def test_the_history_of_others_is_not_shown(app: Flask, session: Session, people: People) -> None:
    run = make_run(session, make_rule(session, people.account), "completed")
    stranger = browser_of(app, session, people.stranger)
    assert "Nothing has run yet" in stranger.get("/history").text
    assert stranger.get(f"/runs/{run.id}").status_code == 404


@pytest.mark.parametrize(
    ("page", "most"),
    [("/", 26), ("/calendar", 23), ("/rules", 7), ("/history", 9), ("/history/days", 4), ("/credits", 19)],
)
def test_pages_ask_few_queries(
    owner: FlaskClient, session: Session, people: People, page: str, most: int
) -> None:
    for number in range(4):
        rule = make_rule(session, people.account, name=f"Rule {number}")
        make_run(session, rule, "failed", reason="timed_out")
    owner.get(page)
    with counted() as sent:
        assert owner.get(page).status_code == 200
    assert len(sent) <= most


def test_resuming_names_what_waits_and_wakes_it(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    assert "there is nothing to resume" in owner.get("/resume-all").text
    owner.post("/pause-all")
    run = make_run(session, rule, "pending", attempt=0, waiting_for="pause")
    text = owner.get("/resume-all").text
    assert "1 run waits and starts at once, for at most 100 credits." in text
    assert "may not be enough" not in text
    session.get_one(Account, people.account.id).credits_balance = 99
    session.commit()
    assert "may not be enough for all of them" in owner.get("/resume-all").text
    owner.post("/resume-all")
    session.expire_all()
    assert session.get_one(ScheduledTask, run.id).waiting_for is None
    assert session.get_one(Account, people.account.id).paused_at is None


def test_viewers_find_no_button_that_changes_anything(app: Flask, session: Session, people: People) -> None:
    make_run(session, make_rule(session, people.account), "failed", reason="timed_out")
    viewer = browser_of(app, session, people.viewer)
    text = viewer.get("/").text
    assert "Retry" not in text.replace("Retry: only", "")
    assert "New rule" not in text
    assert viewer.post("/pause-all").status_code == 403


def test_no_address_keeps_empty_filters(owner: FlaskClient, session: Session, people: People) -> None:
    make_run(session, make_rule(session, people.account), "failed", reason="timed_out")
    for page, more in (("/history", ""), ("/", "&days=7")):
        answer = owner.get(f"{page}?q=&status=failed&rule=&start=&cost_min={more}")
        assert (answer.status_code, answer.location) == (302, f"{page}?status=failed{more}")
        part = owner.get(f"{page}?q=&status=failed&rule={more}", headers=PARTIAL)
        assert part.headers["HX-Push-Url"] == f"{page}?status=failed{more}"
        assert "<html" not in part.text


def test_each_chosen_filter_is_a_chip_that_takes_it_away(
    owner: FlaskClient, session: Session, people: People
) -> None:
    site = make_site(session, people.account, name="Blog")
    rule = make_rule(session, people.account)
    run = make_run(session, rule, "completed", site_id=site.id, credits_used=9, user_id=people.owner.id)
    make_run(session, rule, "completed", credits_used=9)
    query = f"site={site.id}&user={people.owner.id}&cost_min=0&cost_max=9&q={rule.name.split()[0]}"
    text = owner.get(f"/history?{query}").text
    assert re.findall(r'class="row-link" href="/runs/(\d+)"', text) == [str(run.id)]
    chips = dict(re.findall(r'class="chip" href="([^"]*)"><span class="chip-name">([^<]*)</span>', text))
    assert sorted(chips.values()) == ["Credits from", "Credits to", "Search", "Site", "Started by person"]
    without = next(url for url, label in chips.items() if label == "Site").replace("&amp;", "&")
    assert "site=" not in without
    assert owner.get(without).text.count('class="row-link"') == 1


def test_a_person_chooses_the_columns(owner: FlaskClient, session: Session, people: People) -> None:
    site = make_site(session, people.account, name="Blog")
    make_run(session, make_rule(session, people.account), "completed", site_id=site.id)
    heads = re.compile(r'<th role="columnheader" scope="col"[^>]*>([^<]*)</th>')
    assert heads.findall(owner.get("/history").text)[2:] == ["What happened", "When", "Credits"]
    answer = owner.post("/history/columns?status=completed", data={"columns": ["site", "took", "nonsense"]})
    assert (answer.status_code, answer.location) == (303, "/history?status=completed")
    assert heads.findall(owner.get("/history").text)[2:] == ["Site", "Took"]
    assert "Blog" in owner.get("/history").text


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_the_file_is_of_exactly_this_filter(
    owner: FlaskClient, session: Session, people: People, kind: str
) -> None:
    rule = make_rule(session, people.account, name="=Rule")
    make_run(session, rule, "completed")
    failed = make_run(session, rule, "failed", reason="timed_out")
    with owner.get(f"/history/runs.{kind}?status=failed") as answer:
        text = answer.data.decode() if kind == "csv" else ""
    assert answer.headers["Content-Disposition"] == f"attachment; filename=runs.{kind}"
    if kind == "csv":
        (row,) = csv.DictReader(io.StringIO(text))
        assert (row["id"], row["rule_name"]) == (str(failed.id), "'=Rule")
    assert owner.get("/history/runs.exe").status_code == 404
