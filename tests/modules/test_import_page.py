"""Importing a keyword file: in three steps in the browser, and in one request over REST."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.business.accounts.services import uploads
from app.business.accounts.upload_models import Upload
from app.business.events import EventBatch
from app.business.planner.models import Keyword, Sector, Site
from tests.business.planner.test_import_layouts import QUERIES, book
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_pages import make_rule
from tests.people import People, browser_of, make_people, program_of

SHEET = (
    b"Keyword;Volume;Topic\ntrail socks;90;Running\nwool socks;1.300;Wool\n"
    b";5;Wool\nodd;many;Wool\nTrail  Socks;70;Wool\n"
)


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


def post(
    client: FlaskClient, address: str, data: bytes, name: str = "export.csv", **fields: object
) -> TestResponse:
    answer = client.post(address, data={"file": (io.BytesIO(data), name), **fields})
    # The test client stores a large body in a temporary file and leaves it open.
    answer.request.environ["wsgi.input"].close()
    return answer


def choose(client: FlaskClient, data: bytes, place: str) -> TestResponse:
    return post(client, "/keywords/import", data, place=place)


def upload(client: FlaskClient, data: bytes, place: str) -> str:
    """Step 1; returns the address of the preview."""
    answer = choose(client, data, place)
    assert answer.status_code == 303
    return str(answer.location)


def send(client: FlaskClient, data: bytes, **fields: object) -> TestResponse:
    return post(client, "/api/planner/keywords/import/", data, **fields)


def test_three_steps_import_a_file(browser: FlaskClient, session: Session, sector: Sector) -> None:
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}")
    page = browser.get(preview).text
    assert "Columns separated by: semicolon" in page
    assert "Row 4: The keyword is empty." in page
    assert session.scalar(select(func.count(Keyword.id))) == 0
    done = browser.post(preview, data={"existing": "update"})
    assert (done.status_code, done.text.count("Row 5: Volume left empty: “many” is not a number.")) == (
        200,
        1,
    )
    known = dict(session.execute(select(Keyword.text, Keyword.volume)).all())
    assert known == {"trail socks": 90, "wool socks": 1300, "odd": None}
    assert session.scalar(select(func.count(EventBatch.id)).where(EventBatch.closed_at.is_not(None))) == 1


def test_an_import_that_starts_nothing_leads_to_the_templates(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    place = f"{sector.site_id}-{sector.id}"

    def imported(keyword: str) -> str:
        editor = browser_of(app, session, people.editor)
        preview = upload(editor, f"Keyword\n{keyword}\n".encode(), place)
        assert "The site has none of these keywords yet" in editor.get(preview).text
        return editor.post(preview).text

    assert "Choose a template" in imported("green tea")
    make_rule(session, people.account, is_active=True)
    session.commit()
    assert "Choose a template" not in imported("white tea")


def test_the_file_is_gone_after_the_import(browser: FlaskClient, session: Session, sector: Sector) -> None:
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}")
    assert session.scalar(select(func.count(Upload.id))) == 1
    session.rollback()
    browser.post(preview, data={"existing": "update"})
    assert session.scalar(select(func.count(Upload.id))) == 0
    session.rollback()
    assert browser.post(preview, data={"existing": "update"}).status_code == 404
    assert "Choose the file again" in browser.get(preview).text


def test_a_file_waits_for_a_day_only(browser: FlaskClient, session: Session, sector: Sector) -> None:
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}")
    ends = session.scalars(select(Upload.expires_at)).one()
    assert abs(ends - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)
    session.execute(update(Upload).values(expires_at=datetime.now(UTC)))
    session.commit()
    assert browser.get(preview).status_code == 404
    assert uploads.any_expired(session, datetime.now(UTC))
    uploads.delete_expired(session, datetime.now(UTC))
    assert session.scalar(select(func.count(Upload.id))) == 0


def test_the_last_five_files_of_a_person_wait(browser: FlaskClient, session: Session, sector: Sector) -> None:
    previews = [upload(browser, SHEET, f"{sector.site_id}-{sector.id}") for _ in range(6)]
    assert [browser.get(preview).status_code for preview in previews] == [404, *[200] * 5]


def test_nobody_else_gets_the_file(
    app: Flask, session: Session, people: People, browser: FlaskClient, sector: Sector
) -> None:
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}")
    for user in (people.editor, people.stranger):
        assert browser_of(app, session, user).post(preview, data={"existing": "update"}).status_code == 404
    assert browser_of(app, session, people.viewer).get(preview).status_code == 403
    assert browser.get(preview).status_code == 200


@pytest.mark.parametrize("name", ["..", "x" * 65, "%2e%2e%2fsecret_key", "a.b"])
def test_an_unknown_name_finds_nothing(browser: FlaskClient, name: str) -> None:
    assert browser.get(f"/keywords/import/{name}").status_code == 404


def test_an_unnamed_keyword_column_can_be_chosen(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    preview = upload(browser, b"Such;Volume\n1;10\n2;20\n", f"{sector.site_id}-")
    assert "Nothing in this file looks like keywords" in browser.get(preview).text
    assert browser.post(preview, data={"existing": "update"}).status_code == 422
    corrected = f"{preview}&column-keyword=Such"
    assert "2 rows to import" in browser.get(corrected).text
    assert browser.post(corrected, data={"existing": "update"}).status_code == 200
    assert session.scalar(select(Keyword.volume).where(Keyword.text == "1")) == 10


def test_a_column_can_be_left_out(browser: FlaskClient, session: Session, sector: Sector) -> None:
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}") + "&column-volume="
    browser.post(preview, data={"existing": "update"})
    assert session.scalar(select(Keyword.volume).where(Keyword.text == "trail socks")) is None


def test_the_file_may_name_the_sectors(browser: FlaskClient, session: Session, sector: Sector) -> None:
    preview = upload(browser, SHEET, f"{sector.site_id}-") + "&column-sector=Topic"
    browser.post(preview, data={"existing": "update"})
    names = session.execute(select(Keyword.text, Sector.name).join(Sector, Sector.id == Keyword.sector_id))
    assert dict(names.all()) == {"trail socks": "Running", "wool socks": "Wool", "odd": "Wool"}


@pytest.mark.parametrize(("existing", "volume"), [("update", 90), ("leave", 5)])
def test_keywords_already_here_are_updated_or_left(
    browser: FlaskClient, session: Session, sector: Sector, existing: str, volume: int
) -> None:
    make_keyword(session, sector, text="trail socks", volume=5)
    session.commit()
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}")
    assert re.search(r"has already: 1 of these", browser.get(preview).text)
    browser.post(preview, data={"existing": existing})
    assert session.scalar(select(Keyword.volume).where(Keyword.text == "trail socks")) == volume


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", 422, "Choose a file, or paste a list."),
        (b"\xd0\xcf\x11\xe0rest", 422, "damaged or protected"),
        (b"PK\x03\x04nonsense", 422, "damaged or protected"),
        (b"keyword\n" + b"x" * (5 * 1024 * 1024), 413, "at most 5 MB"),
        (b"keyword\n" + b"sock\n" * 50_031, 413, "more than 50,000 rows"),
    ],
)
def test_an_invalid_file_is_refused_beside_its_field(
    browser: FlaskClient, sector: Sector, data: bytes, code: int, words: str
) -> None:
    name = "export.csv" if data else ""
    answer = post(browser, "/keywords/import", data, name, place=f"{sector.site_id}-{sector.id}")
    assert (answer.status_code, words in answer.text) == (code, True)


def test_a_much_larger_file_is_refused_before_it_is_read(browser: FlaskClient, sector: Sector) -> None:
    assert choose(browser, b"x" * (7 * 1024 * 1024), f"{sector.site_id}-").status_code == 413


def test_without_a_site_the_page_says_what_to_do_first(app: Flask, session: Session, people: People) -> None:
    assert "First a site" in browser_of(app, session, people.stranger).get("/keywords/import").text


def test_one_request_imports_a_file(app: Flask, session: Session, people: People, sector: Sector) -> None:
    api = program_of(app, session, people.operator)
    answer = send(api, SHEET, site=sector.site_id)
    assert answer.status_code == 201
    assert answer.json == {
        "created": 3, "updated": 0, "duplicates": 1, "rejected": 1, "left_out": 0, "unread": {"volume": 1},
        "columns": {"keyword": "Keyword", "volume": "Volume"}, "unknown_columns": ["Topic"],
        "header_row": 1, "encoding": "utf-8", "sheets": [], "hidden_rows": 0,
        "errors": [{"row": 4, "message": "The keyword is empty."}],
    }  # fmt: skip


def test_the_request_names_what_is_wrong(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    api = program_of(app, session, people.operator)
    other = make_sector(session, make_site(session, people.account))
    session.commit()
    assert api.post("/api/planner/keywords/import/", json={}).status_code == 415
    assert list(send(api, SHEET, site=sector.site_id, role="owner").json["errors"]) == ["role"]
    assert list(send(api, SHEET, site=sector.site_id, sector=other.id).json["errors"]) == ["sector"]
    assert list(send(api, SHEET).json["errors"]) == ["site"]
    assert list(send(api, b"3;4\n1;2\n", site=sector.site_id).json["errors"]) == ["file"]
    assert send(api, b"keyword\n" + b"x" * (5 * 1024 * 1024), site=sector.site_id).status_code == 413


def test_nothing_is_imported_into_a_foreign_site(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    stranger, site = program_of(app, session, people.stranger), sector.site_id
    foreign, missing = send(stranger, SHEET, site=site), send(stranger, SHEET, site=999_999)
    assert (foreign.status_code, foreign.data) == (404, missing.data)
    page = browser_of(app, session, people.stranger)
    assert "First a site" in choose(page, SHEET, f"{site}-{sector.id}").text
    assert session.scalar(select(func.count(Keyword.id))) == 0
    assert send(program_of(app, session, people.viewer), SHEET, site=site).status_code == 403
    assert isinstance(session.get(Site, site), Site)


def test_a_pasted_list_is_imported(browser: FlaskClient, session: Session, sector: Sector) -> None:
    place = f"{sector.site_id}-{sector.id}"
    answer = browser.post(
        "/keywords/import", data={"place": place, "pasted": "oak table\nelm, ash and pine\n"}
    )
    assert answer.status_code == 303
    assert "the first one is a keyword" in browser.get(answer.location).text
    browser.post(answer.location, data={"existing": "update"})
    assert set(session.scalars(select(Keyword.text))) == {"oak table", "elm, ash and pine"}


def test_the_page_offers_all_sheets_and_says_what_becomes_of_each_column(
    browser: FlaskClient, sector: Sector
) -> None:
    old = [["Keyword", "Owner"], ["ash table", "Ann"]]
    data = book({"Old": ("hidden", old), "Queries": ("visible", QUERIES)})
    preview = upload(browser, data, f"{sector.site_id}-{sector.id}")
    page = browser.get(preview).text
    assert "Sheet “Queries”" in page
    assert "Old (2 lines, hidden)" in page
    other = browser.get(f"{preview}&sheet=Old&sheet-before=Queries&header_row=9&column-clicks=Clicks").text
    assert "Sheet “Old”" in other
    assert "not imported" in other


def test_the_request_can_correct_what_is_recognised(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    api = program_of(app, session, people.operator)
    data = book({"Old": ("hidden", [["Such", "Owner"], ["ash", "Ann"]]), "Queries": ("visible", QUERIES)})
    columns = '{"keyword": "Owner"}'
    answer = send(api, data, site=sector.site_id, sheet="Old", columns=columns, header_row="1")
    assert answer.json["columns"] == {"keyword": "Owner"}
    assert [sheet["chosen"] for sheet in answer.json["sheets"]] == [True, False]
    for field, sent in (("columns", "[]"), ("header_row", "x"), ("sheet", "No"), ("encoding", "no-such")):
        body = SHEET if field == "encoding" else data
        assert list(send(api, body, site=sector.site_id, **{field: sent}).json["errors"]) == [field]
    assert "ann" in session.scalars(select(Keyword.text))


def test_every_row_of_a_file_is_accounted_for(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    api = program_of(app, session, people.operator)
    body = b"Report of May\nKeyword,Volume,Owner\noak,tbd,A\nOak,4,B\n,5,C\nelm,6,D\nTotal: all,15\n"
    found = send(api, body, site=sector.site_id).json
    counts = [found[name] for name in ("created", "duplicates", "rejected", "left_out")]
    assert (counts, sum(counts)) == ([2, 1, 1, 2], 6)
    assert (found["unread"], found["unknown_columns"], found["header_row"]) == ({"volume": 1}, ["Owner"], 2)
