"""The planner's REST resources: what they accept, refuse by name, show, list and hide from strangers."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.events import Event
from app.business.planner.models import Keyword, Sector, Site
from tests.factories import make_cluster, make_idea, make_keyword, make_sector, make_site
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.both_databases


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.fixture
def site(session: Session, people: People) -> Site:
    site = make_site(session, people.account, name="Sock Republic")
    session.commit()
    return site


@pytest.fixture
def sector(session: Session, site: Site) -> Sector:
    sector = make_sector(session, site, name="Running")
    session.commit()
    return sector


def test_an_owner_creates_a_site_and_reads_it_back(app: Flask, session: Session, people: People) -> None:
    owner = program_of(app, session, people.owner)
    made = owner.post("/api/planner/sites/", json={"name": "Tea", "timezone": "Europe/Berlin"})
    assert made.status_code == 201
    shown = owner.get(f"/api/planner/sites/{made.json['id']}/").json
    assert shown == made.json
    assert (shown["name"], shown["timezone"], shown["language"], shown["status"]) == (
        "Tea", "Europe/Berlin", "en", "active",
    )  # fmt: skip


def test_a_keyword_is_stored_tidy_and_reported_once(api: FlaskClient, session: Session, site: Site) -> None:
    made = api.post(
        "/api/planner/keywords/", json={"site": site.id, "text": "  Trail   SOCKS ", "volume": 90}
    )
    assert made.status_code == 201
    assert (made.json["text"], made.json["volume"], made.json["status"]) == ("trail socks", 90, "new")
    assert session.get_one(Sector, made.json["sector"]).name == "General"
    assert session.scalars(select(Event.record_id)).all() == [made.json["id"]]


def test_a_record_shows_every_field_of_the_contract(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    keyword = make_keyword(session, sector)
    session.commit()
    assert set(api.get(f"/api/planner/keywords/{keyword.id}/").json) == {
        "id", "site", "sector", "labels", "note", "assignee", "made_by_run", "status", "status_since",
        "created_at", "updated_at", "text", "volume", "difficulty", "cpc", "intent", "country", "language",
        "position", "clicks", "impressions", "url", "cluster", "intents", "parent_keyword", "traffic_potential",
        "serp_features", "match_type",
    }  # fmt: skip


def test_details_of_a_keyword_are_written_and_read(api: FlaskClient, session: Session, site: Site) -> None:
    details = {
        "intents": ["commercial", "informational"], "parent_keyword": "bee hive", "traffic_potential": 900,
        "serp_features": ["Video"], "match_type": "exact",
    }  # fmt: skip
    made = api.post("/api/planner/keywords/", json={"site": site.id, "text": "bee kit", **details})
    assert (made.status_code, {name: made.json[name] for name in details}) == (201, details)
    address = f"/api/planner/keywords/{made.json['id']}/"
    changed = api.patch(address, json={"intents": ["transactional"], "serp_features": []}).json
    assert (changed["intents"], changed["serp_features"], changed["parent_keyword"]) == (
        ["transactional"], [], "bee hive",
    )  # fmt: skip
    assert api.patch(address, json={"intents": ["buy"]}).status_code == 422


@pytest.mark.parametrize("key", ["account_id", "id", "status", "made_by_run", "is_admin", "created_at"])
def test_keys_that_nobody_may_set_are_refused_by_name(
    api: FlaskClient, session: Session, site: Site, key: str
) -> None:
    answer = api.post("/api/planner/keywords/", json={"site": site.id, "text": "socks", key: 1})
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [key]
    assert answer.content_type == "application/problem+json"
    assert session.scalar(select(func.count(Keyword.id))) == 0


def test_an_answer_can_be_sent_back(api: FlaskClient, session: Session, sector: Sector) -> None:
    keyword = make_keyword(session, sector, difficulty=5.0)
    session.commit()
    shown = api.get(f"/api/planner/keywords/{keyword.id}/").json
    answer = api.patch(f"/api/planner/keywords/{keyword.id}/", json=shown | {"volume": 7, "updated_at": "x"})
    assert (answer.status_code, answer.json["volume"]) == (200, 7)


def test_a_read_only_key_that_differs_is_refused(api: FlaskClient, session: Session, sector: Sector) -> None:
    keyword = make_keyword(session, sector)
    session.commit()
    answer = api.patch(f"/api/planner/keywords/{keyword.id}/", json={"text": "other", "site": 999})
    assert (answer.status_code, sorted(answer.json["errors"])) == (422, ["site", "text"])


def test_a_change_on_an_old_version_is_refused(api: FlaskClient, session: Session, sector: Sector) -> None:
    keyword = make_keyword(session, sector)
    session.commit()
    address = f"/api/planner/keywords/{keyword.id}/"
    old = api.get(address).headers["ETag"]
    assert api.patch(address, json={"volume": 1}, headers={"If-Match": old}).status_code == 200
    assert api.patch(address, json={"volume": 2}, headers={"If-Match": old}).status_code == 412
    assert api.get(address).json["volume"] == 1


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"text": "a", "text": "b"}', "application/json", 400),
        (b'{"volume": NaN}', "application/json", 400),
        (b'{"volume": 1e999}', "application/json", 400),
        (b'{"volume": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b'{"note": "\\ud800"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b'{"note": "' + b"x" * 1_000_001 + b'"}', "application/json", 413),
        (b'{"volume": true}', "application/json", 422),
        (b'{"volume": "7"}', "application/json", 422),
        (b'{"difficulty": 101}', "application/json", 422),
        (b'{"intent": "buying"}', "application/json", 422),
        (b'{"labels": "a"}', "application/json", 422),
        (b'{"note": "\\u0000"}', "application/json", 422),
        (b'{"assignee": 99999999999999999999}', "application/json", 422),
    ],
)
def test_an_invalid_body_is_refused(
    api: FlaskClient, session: Session, sector: Sector, body: bytes, kind: str, code: int
) -> None:
    keyword = make_keyword(session, sector, volume=5)
    session.commit()
    answer = api.patch(f"/api/planner/keywords/{keyword.id}/", data=body, content_type=kind)
    assert answer.status_code == code
    assert api.get(f"/api/planner/keywords/{keyword.id}/").json["volume"] == 5


def test_a_list_is_read_page_by_page_without_gap_or_repeat(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    for number in range(7):
        make_keyword(session, sector, volume=[None, 10, 10, 30][number % 4])
    session.commit()
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        page = api.get(f"/api/planner/keywords/?limit=2&sort=volume&cursor={cursor}").json
        seen += [keyword["id"] for keyword in page["results"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 7


def test_filters_narrow_the_list(api: FlaskClient, session: Session, sector: Sector) -> None:
    make_keyword(session, sector, text="trail socks", volume=900, intent="commercial")
    make_keyword(session, sector, text="100% wool_socks", volume=10, status="ignored")
    session.commit()

    def texts(query: str) -> list[str]:
        return [row["text"] for row in api.get(f"/api/planner/keywords/?{query}").json["results"]]

    assert texts("volume_from=500") == ["trail socks"]
    assert texts("status=ignored&status=clustered") == ["100% wool_socks"]
    assert texts("text=%25") == ["100% wool_socks"]
    assert texts(f"site={sector.site_id}&sector={sector.id}&sort=text") == ["100% wool_socks", "trail socks"]
    assert texts("intent=commercial&text=SOCKS trail") == ["trail socks"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "sort=id;drop", "status=odd", "site=x", "unknown=1", "text=%00"],
)
def test_a_bad_parameter_is_named(api: FlaskClient, query: str) -> None:
    answer = api.get(f"/api/planner/keywords/?{query}")
    assert (answer.status_code, list(answer.json["errors"])) == (400, [query.partition("=")[0]])


@pytest.mark.parametrize(
    "cursor", ["x", "bnVsbA", "W10", "WzEsMiwzXQ", "WzEsIngiXQ", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5LDFd"]
)
def test_a_damaged_cursor_is_refused(api: FlaskClient, cursor: str) -> None:
    assert api.get(f"/api/planner/keywords/?cursor={cursor}").status_code == 422


def test_every_address_works_with_and_without_its_slash(api: FlaskClient, sector: Sector) -> None:
    for path in ("sites", "sectors", "keywords", "clusters", "ideas"):
        assert api.get(f"/api/planner/{path}").json == api.get(f"/api/planner/{path}/").json
    assert api.get(f"/api/planner/sites/{sector.site_id}").status_code == 200


@pytest.mark.parametrize("path", ["sites", "sectors", "keywords", "clusters", "ideas"])
def test_foreign_and_missing_rows_read_the_same(
    app: Flask, session: Session, people: People, sector: Sector, path: str
) -> None:
    cluster = make_cluster(session, sector)
    rows = {"sites": sector.site_id, "sectors": sector.id, "clusters": cluster.id}
    rows |= {"keywords": make_keyword(session, sector).id, "ideas": make_idea(session, sector).id}
    session.commit()
    stranger = program_of(app, session, people.stranger)
    for method in (stranger.get, lambda url: stranger.patch(url, json={"name": "Mine", "title": "Mine"})):
        foreign, missing = (method(f"/api/planner/{path}/{id}/") for id in (rows[path], 987_654_321))
        assert (foreign.status_code, foreign.data) == (404, missing.data)
    assert stranger.get(f"/api/planner/{path}/").json["results"] == []


def test_nothing_is_created_in_a_foreign_site(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    cluster = make_cluster(session, sector)
    session.commit()
    stranger = program_of(app, session, people.stranger)
    place: Any
    for place in ({"site": sector.site_id}, {"site": sector.site_id, "sector": sector.id}):
        assert stranger.post("/api/planner/keywords/", json={"text": "x"} | place).status_code == 404
    assert stranger.post("/api/planner/ideas/", json={"title": "x", "cluster": cluster.id}).status_code == 404
    assert (
        stranger.post("/api/planner/sectors/", json={"name": "x", "site": sector.site_id}).status_code == 404
    )


def test_viewers_read_and_change_nothing(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    viewer = program_of(app, session, people.viewer)
    assert viewer.get("/api/planner/keywords/").status_code == 200
    assert (
        viewer.post("/api/planner/keywords/", json={"site": sector.site_id, "text": "x"}).status_code == 403
    )
    assert viewer.patch(f"/api/planner/sectors/{sector.id}/", json={"name": "x"}).status_code == 403


def test_a_browser_needs_its_token_and_nobody_gets_in_without_either(
    app: Flask, session: Session, people: People, site: Site
) -> None:
    browser, body = browser_of(app, session, people.operator), {"site": site.id, "text": "socks"}
    assert browser.post("/api/planner/keywords/", json=body).status_code == 201
    del browser.environ_base["HTTP_X_CSRFTOKEN"]
    assert browser.post("/api/planner/keywords/", json=body).status_code == 400
    assert app.test_client().get("/api/planner/keywords/").status_code == 401


def test_a_keyword_moves_into_a_cluster_and_out_again(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    cluster, keyword = make_cluster(session, sector), make_keyword(session, sector, volume=70)
    session.commit()
    address = f"/api/planner/keywords/{keyword.id}/"
    moved = api.patch(address, json={"cluster": cluster.id}).json
    assert (moved["status"], moved["cluster"]) == ("clustered", cluster.id)
    shown = api.get(f"/api/planner/clusters/{cluster.id}/").json
    assert (shown["keyword_count"], shown["total_volume"], shown["idea_count"]) == (1, 70, 0)
    freed = api.patch(address, json={"cluster": None}).json
    assert (freed["status"], freed["cluster"]) == ("new", None)


def test_an_idea_is_accepted_but_not_used_by_hand(api: FlaskClient, session: Session, sector: Sector) -> None:
    cluster = make_cluster(session, sector)
    session.commit()
    idea = api.post("/api/planner/ideas/", json={"cluster": cluster.id, "title": "Ten socks"}).json
    assert (idea["site"], idea["status"]) == (sector.site_id, "new")
    address = f"/api/planner/ideas/{idea['id']}/"
    assert api.patch(address, json={"status": "accepted"}).json["status"] == "accepted"
    assert api.patch(address, json={"status": "used"}).status_code == 422
    assert api.get(f"/api/planner/clusters/{cluster.id}/").json["status"] == "planned"
