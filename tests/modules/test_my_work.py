"""My work: articles to check one after another and in bulk, taking a decision back, counts, and who lands there."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.services.passwords import HASHER
from app.business.planner.models import Keyword, Sector
from app.business.writer.models import Content
from tests.factories import make_content, make_keyword, make_sector, make_site, make_task
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def operator(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


@pytest.fixture
def drafts(session: Session, sector: Sector) -> list[int]:
    """Three articles, the first has waited longest."""
    now = datetime.now(UTC)
    made = [
        make_content(session, sector, title=f"Draft {n}", status_since=now - timedelta(hours=9 - n)).id
        for n in range(3)
    ]
    session.commit()
    return made


def statuses(session: Session, ids: list[int]) -> list[str]:
    session.expire_all()
    return [session.get_one(Content, key).status for key in ids]


def test_one_is_approved_and_the_next_one_opens(
    session: Session, operator: FlaskClient, drafts: list[int]
) -> None:
    page = operator.get("/my-work").text
    assert page.index("Draft 0") < page.index("Draft 1") < page.index("Draft 2")
    assert f'src="/content/{drafts[0]}/article"' in page
    done = operator.post("/my-work/decide", data={"ids": drafts[0], "action": "approve", "next": drafts[1]})
    assert done.status_code == 303
    page = operator.get(done.location).text
    assert "1 content item approved." in page
    assert f'src="/content/{drafts[1]}/article"' in page
    assert statuses(session, drafts) == ["approved", "draft", "draft"]


def test_a_decision_is_taken_back_from_its_message(
    session: Session, operator: FlaskClient, drafts: list[int]
) -> None:
    done = operator.post("/my-work/decide", data={"ids": drafts, "action": "approve", "confirmed": "1"})
    page = operator.get(done.location).text
    batches = page.partition('name="batches" value="')[2].partition('"')[0]
    assert batches
    operator.post("/my-work/take-back", data={"batches": batches})
    assert statuses(session, drafts) == ["draft"] * 3
    again = operator.post("/my-work/take-back", data={"batches": batches}, follow_redirects=True)
    assert "Nothing was taken back. 3 stay" in again.text


def test_nobody_takes_back_the_decision_of_another(
    app: Flask, session: Session, people: People, operator: FlaskClient, drafts: list[int]
) -> None:
    done = operator.post("/my-work/decide", data={"ids": drafts, "action": "approve", "confirmed": "1"})
    batches = operator.get(done.location).text.partition('name="batches" value="')[2].partition('"')[0]
    browser_of(app, session, people.editor).post("/my-work/take-back", data={"batches": batches})
    assert statuses(session, drafts) == ["approved"] * 3


def test_several_are_asked_first_and_all_are_more_than_the_page(
    session: Session, operator: FlaskClient, sector: Sector
) -> None:
    ids = [make_content(session, sector, title=f"Draft {n}").id for n in range(53)]
    session.commit()
    page = operator.get("/my-work").text
    assert "All 53, not only the ticked" in page
    asked = operator.post("/my-work/decide", data={"ids": ids[0], "all": "1", "action": "approve"}).text
    assert "Approve 53 content items?" in asked
    assert statuses(session, ids) == ["draft"] * 53
    operator.post("/my-work/decide", data={"all": "1", "action": "approve", "confirmed": "1"})
    assert statuses(session, ids) == ["approved"] * 53


def test_a_draft_is_sent_back_with_a_note_to_a_person(
    session: Session, operator: FlaskClient, people: People, drafts: list[int]
) -> None:
    bare = operator.post("/my-work/decide", data={"ids": drafts[0], "action": "send_back"})
    assert bare.status_code == 422
    assert "Say what should change" in bare.text
    sent = {"ids": drafts[0], "action": "send_back", "note": "Too long", "assignee": people.editor.id}
    operator.post("/my-work/decide", data=sent)
    session.expire_all()
    content = session.get_one(Content, drafts[0])
    assert (content.status, content.assignee_id) == ("draft", people.editor.id)
    assert "Too long" in content.note
    assert "Draft 0" not in operator.get("/my-work").text.partition("<main")[2].partition("toasts")[0]


def test_each_list_has_its_count_and_the_menu_their_sum(
    session: Session, operator: FlaskClient, people: People, sector: Sector, drafts: list[int]
) -> None:
    make_task(session, sector, title="Due today", due_on=datetime.now(UTC).date())
    make_run(
        session, make_rule(session, people.account), "failed", reason="timed_out", error_message="Too slow."
    )
    session.commit()
    page = operator.get("/my-work?list=due").text
    assert "Due today" in page
    assert 'side-count">5<' in page
    assert "Too slow." in operator.get("/my-work?list=failed").text


def test_operators_land_there_and_others_on_the_dashboard(
    app: Flask, session: Session, people: People
) -> None:
    for user, page in ((people.operator, "/my-work"), (people.editor, "/")):
        user.password_hash = HASHER.hash("correct horse battery staple")
        session.commit()
        form = {"email": user.email, "password": "correct horse battery staple"}
        client = app.test_client()
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
        assert token
        assert client.post("/sign-in", data=form | {"csrf_token": token[1]}).location == page


def test_ignoring_keywords_is_taken_back_in_the_message(
    session: Session, operator: FlaskClient, sector: Sector
) -> None:
    ids = [make_keyword(session, sector).id for _ in range(3)]
    session.commit()
    operator.post("/keywords/decide", data={"ids": ids, "status": "ignored", "confirmed": "1"})
    page = operator.get("/keywords").text
    batches = page.partition('name="batches" value="')[2].partition('"')[0]
    operator.post("/my-work/take-back", data={"batches": batches})
    session.expire_all()
    assert set(session.scalars(select(Keyword.status))) == {"new"}


def test_a_brief_is_there_to_be_written_and_approved_as_a_plan(
    session: Session, operator: FlaskClient, sector: Sector
) -> None:
    brief = make_content(session, sector, title="Plan", outline=True)
    article = make_content(session, sector, title="Whole")
    session.commit()
    page = operator.get(f"/my-work?item={brief.id}").text
    assert re.search(rf'class="button is-primary[^>]*href="/content/{brief.id}/edit"', page)
    assert "Approve as a plan" in page
    assert "A brief, made without an AI connection" in page
    assert "Approve as a plan" not in operator.get(f"/my-work?item={article.id}").text
    done = operator.post(
        "/my-work/decide", data={"ids": brief.id, "action": "approve"}, follow_redirects=True
    )
    assert "A brief is a plan of an article: it is not published" in done.text
    done = operator.post(
        "/my-work/decide", data={"ids": article.id, "action": "approve"}, follow_redirects=True
    )
    assert "A brief is a plan of an article" not in done.text
