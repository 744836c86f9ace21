"""Regrouping keywords over REST: clusters merged, split, and keywords moved between them."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Keyword, Sector
from tests.factories import make_cluster, make_keyword, make_sector, make_site
from tests.people import People, make_people, program_of

CLUSTERS = "/api/planner/clusters/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


def filled(session: Session, sector: Sector, name: str, texts: str) -> tuple[Cluster, list[int]]:
    """A cluster with keywords of these letters."""
    cluster = make_cluster(session, sector, name=name)
    keywords = [
        make_keyword(session, sector, text=text, cluster_id=cluster.id, status="clustered") for text in texts
    ]
    session.commit()
    return cluster, [keyword.id for keyword in keywords]


@pytest.mark.both_databases
def test_clusters_are_merged_split_and_keywords_move(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    shoes, in_shoes = filled(session, sector, "Shoes", "abc")
    boots, in_boots = filled(session, sector, "Boots", "de")
    boots_id = boots.id
    merged = api.post(f"{CLUSTERS}{shoes.id}/merge/", json={"clusters": [boots_id]})
    assert (merged.status_code, merged.json["keyword_count"]) == (200, 5)
    assert api.get(f"{CLUSTERS}{boots_id}/").status_code == 404
    split = api.post(f"{CLUSTERS}{shoes.id}/split/", json={"name": "Winter", "keywords": in_boots})
    assert (split.status_code, split.json["keyword_count"]) == (201, 2)
    assert split.location == f"{CLUSTERS}{split.json['id']}/"
    taken = api.post(f"{CLUSTERS}{split.json['id']}/take-keywords/", json={"keywords": in_shoes[:2]})
    assert (taken.status_code, taken.json["keyword_count"]) == (200, 4)
    released = api.post(f"{CLUSTERS}{split.json['id']}/release-keywords/", json={"keywords": in_boots})
    assert (released.status_code, released.json["keyword_count"]) == (200, 2)
    session.expire_all()
    assert {session.get_one(Keyword, key).status for key in in_boots} == {"new"}


def test_what_cannot_be_regrouped_is_refused_and_says_why(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    shoes, in_shoes = filled(session, sector, "Shoes", "abc")
    elsewhere = make_sector(session, make_site(session, people.account, name="Other"))
    other, in_other = filled(session, elsewhere, "Elsewhere", "x")
    path = f"{CLUSTERS}{shoes.id}/"
    for call, body, status, words in (
        ("merge/", {"clusters": [other.id]}, 422, "of the same sector"),
        ("merge/", {"clusters": [shoes.id]}, 422, "Choose other clusters"),
        ("merge/", {}, 422, "Choose other clusters"),
        ("split/", {"name": "All", "keywords": in_shoes}, 409, "At least one keyword must stay"),
        ("split/", {"name": "", "keywords": in_shoes[:1]}, 422, ""),
        ("take-keywords/", {"keywords": in_other}, 422, "was not found here"),
        ("release-keywords/", {"keywords": []}, 422, "Choose at least one keyword"),
    ):
        refused = api.post(f"{path}{call}", json=body)
        assert (refused.status_code, words in refused.text) == (status, True), (call, body, refused.text)
    assert api.get(path).json["keyword_count"] == 3


def test_a_repeated_split_makes_one_cluster(api: FlaskClient, session: Session, sector: Sector) -> None:
    shoes, in_shoes = filled(session, sector, "Shoes", "abc")
    body = {"name": "Winter", "keywords": in_shoes[:1]}
    path, headers = f"{CLUSTERS}{shoes.id}/split/", {"Idempotency-Key": "one", "If-Match": '"1"'}
    answers = [api.post(path, json=body, headers=headers) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert answers[0].status_code == 201
    assert api.get(f"{CLUSTERS}?count=true").json["count"] == 2
    assert api.post(path, json=body, headers={"If-Match": '"7"'}).status_code == 412
