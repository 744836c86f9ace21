"""Share links: one draft for whoever has the link, and nothing else; they end by time, by hand, and with the draft."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, AuditEntry
from app.business.accounts.services.audit_log import AuditActor
from app.business.writer.models import Content
from app.business.writer.services.content_shares import MOST, make_share
from app.business.writer.share_models import ContentShare
from app.modules.throttle import limiter
from tests.factories import make_content, make_sector, make_site
from tests.fuzz.world import fingerprint
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def people(session: Session) -> People:
    limiter.reset()
    return make_people(session)


@pytest.fixture
def content(session: Session, people: People) -> Content:
    sector = make_sector(
        session, make_site(session, people.account, name="Secret site"), name="Secret sector"
    )
    html = "<p>Boots that fit.</p><script>alert(1)</script>"
    made = make_content(
        session, sector, title="How boots fit", html=html, note="Secret note", labels=["secret label"]
    )
    make_content(session, sector, title="Secret neighbour")
    session.commit()
    return made


@pytest.fixture
def operator(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


def made_by(operator: FlaskClient, content: Content) -> str:
    """The path of a new link."""
    page = operator.post(f"/content/{content.id}/shares")
    found = re.search(r'id="share_link">https?://[^/]+(/shared/[\w-]{43})<', page.text)
    assert (page.status_code, bool(found)) == (201, True)
    assert found
    return found[1]


def test_the_link_shows_the_draft_alone_under_strict_headers(
    app: Flask, session: Session, people: People, content: Content, operator: FlaskClient
) -> None:
    path = made_by(operator, content)
    answer = app.test_client().get(path)
    assert answer.status_code == 200
    assert "<h1>How boots fit</h1>" in answer.text
    assert "Boots that fit." in answer.text
    for hidden in (
        "Secret",
        "secret",
        people.account.name,
        people.operator.email,
        "<script",
        "<nav",
        'href="/',
        "csrf",
    ):
        assert hidden not in answer.text.replace('href="/static/', ""), hidden
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow, noarchive"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers
    share = session.scalars(select(ContentShare)).one()
    assert path.rpartition("/")[2] not in repr(vars(share))
    assert path not in operator.get(f"/content/{content.id}").text


def test_the_page_of_the_article_lists_links_with_their_last_opening(
    app: Flask, session: Session, content: Content, operator: FlaskClient
) -> None:
    path = made_by(operator, content)
    assert app.test_client().head(path).status_code == 200
    assert "Not opened yet" in operator.get(f"/content/{content.id}").text
    app.test_client().get(path)
    app.test_client().get(path)
    session.expire_all()
    page = operator.get(f"/content/{content.id}").text
    assert "Opened 2 times" in page
    share = session.scalars(select(ContentShare)).one()
    assert operator.post(f"/content/{content.id}/shares/{share.id}/end").status_code == 303
    assert operator.post(f"/content/{content.id}/shares/{share.id}/end").status_code == 404
    assert app.test_client().get(path).status_code == 410
    assert "Last opened" not in operator.get(f"/content/{content.id}").text
    actions = session.scalars(select(AuditEntry.action).where(AuditEntry.subject_type == "content"))
    assert sorted(actions) == ["content.share_ended", "content.shared"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ("archived", 410, "This link has ended"),
        ("suspended", 410, "This link has ended"),
        ("late", 410, "This link has ended"),
        ("published", 200, "This article is published"),
    ],
)
def test_a_link_whose_draft_is_gone_shows_nothing_of_it(
    app: Flask, session: Session, people: People, content: Content, operator: FlaskClient, change: str, status: int,
    words: str,
) -> None:  # fmt: skip
    path = made_by(operator, content)
    now = datetime.now(UTC)
    if change == "archived":
        content.archived_at = now
    if change == "published":
        content.status, content.published_url = "published", "https://boots.example/fit"
    if change == "suspended":
        session.get_one(Account, people.account.id).status = AccountStatus.SUSPENDED
    session.commit()
    session.expire_all()
    with time_machine.travel(now + timedelta(days=30, hours=1 if change == "late" else -1), tick=False):
        answer = app.test_client().get(path)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert "Boots that fit." not in answer.text
    assert ("https://boots.example/fit" in answer.text) == (change == "published")
    assert answer.headers["X-Robots-Tag"].startswith("noindex")


def test_unknown_links_change_nothing_and_nobody_makes_endless_ones(
    app: Flask, session: Session, people: People, content: Content, operator: FlaskClient
) -> None:
    viewer = browser_of(app, session, people.viewer)
    before = fingerprint(session)
    assert app.test_client().get(f"/shared/{'x' * 43}").status_code == 404
    assert app.test_client().post(f"/shared/{'x' * 43}").status_code in (400, 405)
    assert viewer.post(f"/content/{content.id}/shares").status_code == 403
    assert "Share links" not in viewer.get(f"/content/{content.id}").text
    assert fingerprint(session) == before
    for _ in range(MOST):
        make_share(session, content, AuditActor(people.operator.id), datetime.now(UTC))
    session.commit()
    assert operator.post(f"/content/{content.id}/shares").status_code == 409


def test_the_token_of_a_link_opens_no_other_address(
    app: Flask, session: Session, people: People, content: Content, operator: FlaskClient
) -> None:
    token = made_by(operator, content).rpartition("/")[2]
    before = fingerprint(session)
    with_token = [
        rule.rule for rule in app.url_map.iter_rules() if re.search(r"<(string:)?token>", rule.rule)
    ]
    assert len(with_token) > 2
    for rule in with_token:
        path = re.sub(r"<(string:)?token>", token, rule)
        if not path.startswith("/shared/"):
            assert app.test_client().get(path).status_code in (400, 404, 405, 410), path
    key = {"Authorization": f"Bearer {token}"}
    assert app.test_client().get(f"/api/writer/content/{content.id}/", headers=key).status_code == 401
    visitor = app.test_client()
    with visitor.session_transaction() as cookie:
        cookie["token"] = cookie["waiting"] = token
    for path, status in (
        (f"/content/{content.id}", 302),
        ("/api/writer/content/", 401),
        ("/sign-in/code", 303),
    ):
        assert visitor.get(path).status_code == status, path
    assert fingerprint(session) == before
