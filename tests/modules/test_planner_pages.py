"""The planner's pages: lists under their filters, forms, ticked rows, clusters; for each role."""

import re
from html import unescape

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.outlets.wordpress_models import WordPressConnection
from app.business.planner.models import Cluster, Idea, Keyword, Sector, Site
from tests.factories import NOW, make_cluster, make_content, make_idea, make_keyword, make_sector, make_site
from tests.people import People, browser_of, make_people

SURE = {"confirmed": "1"}
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    sector = make_sector(session, make_site(session, people.account, name="Sock Republic"), name="Running")
    session.commit()
    return sector


@pytest.fixture
def browser(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


@pytest.mark.parametrize("path", ["keywords", "clusters", "ideas", "tasks", "content", "sites"])
@pytest.mark.parametrize("role", ["viewer", "operator", "owner"])
def test_an_empty_list_says_what_to_do_first(
    app: Flask, session: Session, people: People, path: str, role: str
) -> None:
    page = browser_of(app, session, getattr(people, role)).get(f"/{path}")
    assert (page.status_code, 'class="empty"' in page.text) == (200, True)


def test_the_list_of_sites_says_what_waits_on_each(
    session: Session, browser: FlaskClient, sector: Sector
) -> None:
    """And leads to as many as it counts."""
    for status in ("draft", "draft", "review", "approved", "published"):
        make_content(session, sector, status=status)
    session.commit()
    page = browser.get("/sites").text
    row = page[page.index("<tbody") :]
    cells = dict(re.findall(r'data-label="([^"]+)"[^>]*>\s*<div class="cell">(.*?)</div>', row, re.S))
    text = {name: re.sub(r"<[^>]+>|\s", "", cell) for name, cell in cells.items()}
    assert (text["Keywords"], text["To check"], text["Published"]) == ("0", "2", "1")
    (address,) = re.findall(r'href="([^"]+)"', cells["To check"])
    listed = browser.get(unescape(address)).text
    assert len(re.findall(r"<tr[ >]", listed[listed.index("<tbody") :])) == 2


def test_an_owner_adds_a_site_and_others_may_not(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    fields = {
        "name": "Tea",
        "url": "https://tea.example",
        "timezone": "UTC",
        "language": "en",
        "status": "active",
    }
    added = owner.post("/sites/new", data=fields)
    site = session.scalars(select(Site)).one()
    assert (added.status_code, added.location) == (303, f"/sites/{site.id}")
    assert 'class="button is-primary" href="/keywords/import"' in owner.get(added.location).text
    assert (site.name, site.account_id) == ("Tea", people.account.id)
    assert owner.post(f"/sites/{site.id}/edit", data=fields | {"status": "paused"}).status_code == 303
    editor = browser_of(app, session, people.editor)
    assert editor.post("/sites/new", data=fields).status_code == 403
    assert editor.get(f"/sites/{site.id}/edit").status_code == 403


@pytest.mark.parametrize(
    ("tag", "name"), [("en", "English"), ("pt-BR", "Portuguese (BR)"), ("de_at", "German (at)"), ("xx", "xx")]
)
def test_a_site_names_its_language(app: Flask, session: Session, people: People, tag: str, name: str) -> None:
    site = make_site(session, people.account, language=tag)
    session.commit()
    page = BeautifulSoup(browser_of(app, session, people.viewer).get(f"/sites/{site.id}").text, "html.parser")
    term = page.find("dt", string="Language")
    assert term is not None
    assert term.find_next("dd").get_text() == name


def test_an_empty_profile_says_who_can_write_it(app: Flask, session: Session, people: People) -> None:
    site = make_site(session, people.account)
    session.commit()
    said = {
        person.role: browser_of(app, session, person).get(f"/sites/{site.id}").text
        for person in (people.owner, people.editor, people.viewer)
    }
    assert "Write the profile" in said["owner"]
    for role in ("editor", "viewer"):
        assert "An owner can say here what the site stands for" in said[role]
        assert "Write the profile" not in said[role]


def test_a_site_without_a_zone_of_its_own_keeps_that_of_the_account(
    app: Flask, session: Session, people: People
) -> None:
    owner = browser_of(app, session, people.owner)
    fields = {"name": "Tea", "url": "", "language": "en", "status": "active"}
    assert owner.post("/sites/new", data=fields | {"timezone": ""}).status_code == 303
    site = session.scalars(select(Site)).one()
    assert site.timezone is None
    assert owner.post(f"/sites/{site.id}/edit", data=fields | {"timezone": "tokyo"}).status_code == 303
    session.refresh(site)
    assert site.timezone == "Asia/Tokyo"
    wrong = owner.post(f"/sites/{site.id}/edit", data=fields | {"timezone": "Berln"})
    assert (wrong.status_code, 'value="Berln"' in wrong.text) == (422, True)
    assert "did you mean Europe/Berlin" in wrong.text


def test_an_error_is_shown_beside_its_field(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    page = owner.post(
        "/sites/new", data={"name": "", "url": "javascript:alert(1)", "timezone": "UTC", "language": "en"}
    )
    assert page.status_code == 422
    assert "Enter a name." in page.text
    page = owner.post(
        "/sites/new",
        data={
            "name": "T",
            "url": "javascript:alert(1)",
            "timezone": "UTC",
            "language": "en",
            "status": "active",
        },
    )
    assert (page.status_code, 'id="url-error"' in page.text) == (422, True)
    assert session.scalar(select(func.count(Site.id))) == 0


def test_sectors_are_added_and_renamed_but_not_doubled(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    assert browser.post(f"/sites/{sector.site_id}/sectors", data={"name": "Wool"}).status_code == 303
    again = browser.post(f"/sites/{sector.site_id}/sectors", data={"name": "Wool"})
    assert (again.status_code, "already has a sector" in again.text) == (422, True)
    assert browser.post(f"/sites/sectors/{sector.id}/edit", data={"name": "Trail"}).status_code == 303
    assert set(session.scalars(select(Sector.name))) == {"Trail", "Wool"}


def test_a_keyword_is_added_with_its_figures(browser: FlaskClient, session: Session, sector: Sector) -> None:
    fields = {
        "text": " Trail  Socks",
        "place": f"{sector.site_id}-{sector.id}",
        "volume": "90",
        "labels": "a, b,a",
        "intent": "",
    }
    assert browser.post("/keywords/new", data=fields).status_code == 303
    keyword = session.scalars(select(Keyword)).one()
    assert (keyword.text, keyword.volume, keyword.labels) == ("trail socks", 90, ["a", "b"])
    again = browser.post("/keywords/new", data=fields)
    assert (again.status_code, "already has the keyword" in again.text) == (422, True)


def test_an_edited_keyword_shows_its_new_figures(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    keyword = make_keyword(session, sector, text="socks", volume=1)
    session.commit()
    fields = {"volume": "2500", "difficulty": "33.5", "intent": "commercial", "note": "<b>bold</b>"}
    assert browser.post(f"/keywords/{keyword.id}/edit", data=fields).status_code == 303
    page = browser.get(f"/keywords/{keyword.id}").text
    assert "2,500 searches a month" in page
    assert "&lt;b&gt;bold" in page


def test_the_filters_are_in_the_address(browser: FlaskClient, session: Session, sector: Sector) -> None:
    for number in range(60):
        make_keyword(session, sector, text=f"wool {number:02}", volume=number)
    make_keyword(session, sector, text="linen", volume=5)
    session.commit()
    page = browser.get("/keywords?text=wool&sort=volume&volume_from=5").text
    assert "50 of 55 keywords" in page
    assert page.index("wool 59") < page.index("wool 58")
    address = page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    rest = browser.get(address).text
    assert ("5 of 55 keywords" in rest, "wool 05" in rest, "linen" in rest) == (True, True, False)


@pytest.mark.parametrize(
    "query", ["_scheme=javascript&text=a", "sort=volume;--&status=x&site=abc", "cursor=x"]
)
def test_odd_addresses_break_no_page(
    browser: FlaskClient, session: Session, sector: Sector, query: str
) -> None:
    make_keyword(session, sector, text="a")
    session.commit()
    page = browser.get(f"/keywords?{query}")
    assert page.status_code == (422 if "cursor" in query else 200)
    assert 'href="javascript' not in page.text


def test_htmx_gets_the_rows_alone(browser: FlaskClient, session: Session, sector: Sector) -> None:
    make_keyword(session, sector, text="socks")
    session.commit()
    part = browser.get("/keywords?text=sock", headers=PARTIAL).text
    assert part.lstrip().startswith('<div id="keywords_table">')
    assert "<html" not in part


def test_ticked_keywords_are_ignored_and_taken_back(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    ids = [make_keyword(session, sector).id for _ in range(2)]
    session.commit()
    answer = browser.post("/keywords/decide?sort=text", data=SURE | {"ids": ids, "status": "ignored"})
    assert answer.location == "/keywords?sort=text"
    assert set(session.scalars(select(Keyword.status))) == {"ignored"}
    browser.post("/keywords/decide", data=SURE | {"ids": ids, "status": "new"})
    assert set(session.scalars(select(Keyword.status))) == {"new"}
    assert browser.post("/keywords/decide", data={"status": "ignored"}).status_code == 422
    assert browser.post("/keywords/decide", data={"ids": ["1;2"], "status": "ignored"}).status_code == 422


def test_keywords_are_moved_split_off_and_taken_out(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    one, other = make_cluster(session, sector, name="One"), make_cluster(session, sector, name="Other")
    a, b, c, d = (make_keyword(session, sector, cluster_id=one.id, status="clustered").id for _ in range(4))
    session.commit()
    address = f"/clusters/{one.id}/keywords"
    assert browser.post(address, data={"ids": a, "do": "move", "cluster": other.id}).status_code == 303
    assert browser.post(address, data={"ids": b, "do": "split", "name": "Third"}).status_code == 303
    assert browser.post(address, data={"ids": c, "do": "release"}).status_code == 303
    third = session.scalars(select(Cluster).where(Cluster.name == "Third")).one()
    now = dict(session.execute(select(Keyword.id, Keyword.cluster_id)).all())
    assert now == {a: other.id, b: third.id, c: None, d: one.id}


def test_a_merged_cluster_is_gone_and_its_keywords_stay(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    one, other = make_cluster(session, sector, name="One"), make_cluster(session, sector, name="Other")
    make_keyword(session, sector, cluster_id=other.id, status="clustered", volume=1200)
    session.commit()
    assert "Other" in browser.get(f"/clusters/{one.id}").text
    assert browser.post(f"/clusters/{one.id}/merge", data=SURE | {"cluster": other.id}).status_code == 303
    assert "1,200" in browser.get(f"/clusters/{one.id}").text
    assert browser.get(f"/clusters/{other.id}").status_code == 404
    assert browser.post(f"/clusters/{one.id}/merge", data={"cluster": ""}).status_code == 422


def test_ideas_are_written_down_and_decided(browser: FlaskClient, session: Session, sector: Sector) -> None:
    cluster = make_cluster(session, sector)
    session.commit()
    fields = {"title": "Ten socks", "content_type": "article"}
    assert browser.post(f"/ideas/new?cluster={cluster.id}", data=fields).status_code == 303
    idea = session.scalars(select(Idea)).one()
    assert idea.cluster_id == cluster.id
    answer = browser.post("/ideas/decide", data={"ids": idea.id, "status": "accepted", "from": "idea"})
    assert answer.location == f"/ideas/{idea.id}"
    assert "Accepted" in browser.get(f"/ideas/{idea.id}").text


def test_the_trail_of_a_persons_record_names_no_run(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    keyword = make_keyword(session, sector)
    session.commit()
    assert "A person or an import" in browser.get(f"/keywords/{keyword.id}").text


def test_strangers_find_nothing_and_viewers_change_nothing(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    cluster, keyword, idea = (
        make_cluster(session, sector),
        make_keyword(session, sector),
        make_idea(session, sector),
    )
    session.commit()
    viewer, stranger = browser_of(app, session, people.viewer), browser_of(app, session, people.stranger)
    for path in (
        f"clusters/{cluster.id}",
        f"keywords/{keyword.id}",
        f"ideas/{idea.id}",
        f"sites/{sector.site_id}",
    ):
        assert (viewer.get(f"/{path}").status_code, stranger.get(f"/{path}").status_code) == (200, 404)
        assert {viewer.get(f"/{path}/edit").status_code, viewer.post(f"/{path}/edit").status_code} == {403}
        assert stranger.post(f"/{path}/edit", data={"name": "x"}).status_code == 404
    assert viewer.post("/keywords/decide", data={"ids": keyword.id, "status": "ignored"}).status_code == 403
    stranger.post("/keywords/decide", data={"ids": keyword.id, "status": "ignored"})
    stranger.post("/ideas/decide", data={"ids": idea.id, "status": "rejected"})
    assert stranger.post(f"/clusters/{cluster.id}/merge", data={"cluster": cluster.id}).status_code == 404
    session.expire_all()
    assert (keyword.status, idea.status) == ("new", "new")


def test_the_page_of_a_site_counts_its_own_pipeline(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    other = make_sector(session, make_site(session, people.account, name="Elsewhere"))
    for place, count in ((sector, 3), (other, 5)):
        for _ in range(count):
            make_keyword(session, place)
    session.commit()
    page = browser_of(app, session, people.viewer).get(f"/sites/{sector.site_id}").text
    stage = re.search(r'href="(/keywords\?site=\d+)">Keywords</a>\s*<span class="funnel-count">(\d+)<', page)
    assert stage
    assert stage.groups() == (f"/keywords?site={sector.site_id}", "3")


def test_the_list_of_sites_says_where_a_wordpress_is_connected(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    make_site(session, people.account, name="Elsewhere")
    session.add(
        WordPressConnection(
            account_id=people.account.id, site_id=sector.site_id, url="https://blog.example", username="press",
            password_sealed="", created_at=NOW, updated_at=NOW,
        )
    )  # fmt: skip
    session.commit()
    page = browser_of(app, session, people.viewer).get("/sites").text
    found = re.findall(
        r'row-link"[^>]*>([^<]+)<.*?data-label="WordPress"[^>]*>\s*<div class="cell">([^<]+)<', page, re.S
    )
    assert dict(found) == {"Sock Republic": "Connected", "Elsewhere": "Not connected"}
