"""Answers are compressed, keep their ETags, and stay uncompressed for requests of other sites; files are kept."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_compress.compat import compression
from sqlalchemy.orm import Session

from app.modules.web import asset
from tests.factories import make_keyword, make_sector, make_site
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": compression.zstd.decompress,
    "br": brotli.decompress,
    "gzip": gzip.decompress,
}
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}
KEYWORDS = "/api/planner/keywords/"
WORDS = "harbour walks"
FILES = ["vendor/bootstrap@5.3.8/bootstrap.min.css", "js/console.js", "img/logo.svg"]


@pytest.fixture
def people(session: Session) -> People:
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    for number in range(3):
        make_keyword(session, sector, text=f"{WORDS} {number}")
    session.commit()
    return people


@pytest.fixture
def browser(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


def encoding(answer: Any) -> str:
    return str(answer.headers.get("Content-Encoding", ""))


@pytest.mark.parametrize("coding", DECODERS)
def test_pages_lists_and_files_are_compressed_as_the_caller_takes_it(
    app: Flask, browser: FlaskClient, api: FlaskClient, coding: str
) -> None:
    for client, path in ((browser, "/keywords"), (api, KEYWORDS)):
        plain, small = client.get(path), client.get(path, headers={"Accept-Encoding": coding})
        assert (encoding(plain), encoding(small)) == ("", coding)
        text = DECODERS[coding](small.data).decode()
        assert WORDS in text
        assert len(small.data) < len(text) / 2
        assert int(small.headers["Content-Length"]) == len(small.data)
        for answer in (plain, small):
            assert "Accept-Encoding" in answer.headers["Vary"]
    with browser.get("/static/js/console.js", headers={"Accept-Encoding": coding}) as file:
        assert DECODERS[coding](file.data) == Path(app.static_folder or "", "js/console.js").read_bytes()


def test_the_tag_of_a_resource_is_the_same_compressed_or_not(api: FlaskClient) -> None:
    """Programs send it back, and whether they take compressed answers decides nothing then."""
    for turn, headers in enumerate(({}, BROWSER, {"Accept-Encoding": "gzip"})):
        one = api.get(f"{KEYWORDS}1/", headers=headers)
        assert one.headers["ETag"] == api.get(f"{KEYWORDS}1/").headers["ETag"]
        match = headers | {"If-Match": one.headers["ETag"]}
        changed = api.patch(f"{KEYWORDS}1/", json={"volume": turn}, headers=match)
        assert changed.status_code == 200
        assert api.patch(f"{KEYWORDS}1/", json={"volume": 9}, headers=match).status_code == 412
        again = headers | {"If-Match": changed.headers["ETag"]}
        assert api.patch(f"{KEYWORDS}1/", json={"volume": 10 + turn}, headers=again).status_code == 200


def test_an_open_page_still_learns_that_nothing_has_moved(browser: FlaskClient) -> None:
    first = browser.get("/system/moved", headers=BROWSER)
    unmoved = BROWSER | {"If-None-Match": first.headers["ETag"]}
    assert browser.get("/system/moved", headers=unmoved).status_code == 304


@pytest.mark.parametrize(
    ("site", "is_small"), [("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False)]
)
def test_a_request_that_another_site_began_is_not_compressed(
    browser: FlaskClient, site: str, is_small: bool
) -> None:
    """The length of a page must not tell another site whether its guess stands on the page as well."""
    answer = browser.get("/keywords?search=harbour", headers=BROWSER | {"Sec-Fetch-Site": site})
    assert bool(encoding(answer)) == is_small
    assert is_small or WORDS in answer.text


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_kept_for_ever_at_the_address_of_its_content_only(app: Flask, name: str) -> None:
    client = app.test_client()
    with app.test_request_context():
        address = asset(name)
    for path, lifetime in (
        (address, "public, max-age=31536000, immutable"),
        (f"/static/{name}", "no-cache"),
        (f"/static/{name}?v=0123456789", "no-cache"),
    ):
        with client.get(path, headers=BROWSER) as answer:
            assert answer.headers["Cache-Control"] == lifetime
            tag = answer.headers["ETag"]
        with client.get(path, headers=BROWSER | {"If-None-Match": tag}) as answer:
            assert (answer.status_code, answer.headers["Cache-Control"]) == (304, lifetime)


def test_a_file_that_is_not_there_may_not_be_kept(app: Flask) -> None:
    assert "immutable" not in app.test_client().get("/static/js/gone.js?v=1").headers.get("Cache-Control", "")


def test_a_part_of_a_file_is_a_part_of_its_own_bytes(app: Flask) -> None:
    path = Path(app.static_folder or "", "js/console.js")
    with app.test_client().get("/static/js/console.js", headers=BROWSER | {"Range": "bytes=0-999"}) as answer:
        assert (answer.status_code, encoding(answer)) == (206, "")
        assert answer.data == path.read_bytes()[:1000]


def test_a_first_visit_of_the_dashboard_takes_less_than_120_kilobytes(browser: FlaskClient) -> None:
    """Of them its files take 100 at most: a full dashboard takes some 13."""
    page = browser.get("/").text
    files = {*re.findall(r'(?:href|src)="(/static/[^"]+)"', page)}
    sizes = {}
    for file in files:
        with browser.get(file, headers={"Accept-Encoding": "zstd, br, gzip"}) as answer:
            sizes[file] = len(answer.data)
    assert len(sizes) >= 12
    assert sum(sizes.values()) < 100_000, sizes
