"""What should change reaches the writer of an article that is sent back, however that is done."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice
from app.business.writer.models import Content, ContentVersion
from tests.factories import NOW, make_content, make_sector, make_site, make_user
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def content(session: Session, people: People) -> Content:
    sector = make_sector(session, make_site(session, people.account))
    return make_content(session, sector, title="Oak tables", status="review", html="<p>Oak.</p>")


def send_back(app: Flask, session: Session, people: People, content: Content, way: str, note: str) -> None:
    session.commit()
    if way == "api":
        api = program_of(app, session, people.editor)
        address = f"/api/writer/content/{content.id}/send-back/"
        assert api.post(address, json={"note": note}).status_code == 200
        return
    browser = browser_of(app, session, people.editor)
    if way == "page":
        answer = browser.post(f"/content/{content.id}/decide", data={"status": "draft", "note": note})
    else:
        chosen = {"action": "send_back", "ids": content.id, "note": note}
        answer = browser.post("/my-work/decide", data=chosen)
    assert answer.status_code in (200, 303)


@pytest.mark.parametrize("way", ["page", "api", "my work"])
def test_the_writer_is_told_what_should_change(
    app: Flask, session: Session, people: People, content: Content, way: str
) -> None:
    content.assignee_id = people.operator.id
    send_back(app, session, people, content, way, "Shorter, please.")
    notice = session.scalars(select(Notice)).one()
    assert (notice.user_id, notice.title) == (people.operator.id, "“Oak tables” was sent back")
    assert notice.body.endswith(": Shorter, please.")
    assert notice.about_site_id == content.site_id


def test_without_an_assignee_it_is_who_saved_the_text_last(
    app: Flask, session: Session, people: People, content: Content
) -> None:
    writer = make_user(session, people.account)
    for number, user in ((1, people.operator.id), (2, writer.id), (3, None)):
        values = {"title": "", "html": "", "meta_title": "", "meta_description": "", "word_count": 0}
        session.add(
            ContentVersion(
                account_id=content.account_id, content_id=content.id, number=number, user_id=user,
                created_at=NOW, **values,
            )
        )  # fmt: skip
    send_back(app, session, people, content, "page", "Longer.")
    assert session.scalars(select(Notice.user_id)).one() == writer.id


def test_nobody_is_told_of_what_they_did_themselves_or_of_nothing(
    app: Flask, session: Session, people: People, content: Content
) -> None:
    content.assignee_id = people.editor.id
    send_back(app, session, people, content, "api", "Mine.")
    content.assignee_id, content.status = people.operator.id, "review"
    send_back(app, session, people, content, "page", "")
    assert session.scalars(select(Notice)).all() == []
