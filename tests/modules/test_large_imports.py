"""Large and hostile keyword files: refused without a lock, imported as an operation with progress, cancelled."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app import create_app
from app.business.automation.operation_models import Operation
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import keyword_import, lifecycle
from app.business.events import Event, EventBatch
from app.business.planner.models import Keyword, Sector
from app.infrastructure.database import db
from app.infrastructure.file_reader import read_in_bounds
from app.modules.planner import importing
from tests.business.automation.machine import Machine
from tests.factories import make_sector, make_site
from tests.modules.test_import_page import SHEET, choose, send, upload
from tests.people import People, browser_of, make_people, program_of

MANY = 5_001
PART = {"HX-Request": "true", "HX-Request-Type": "partial"}
COMMAS = b"keyword,volume\n" + b"," * 4_900_000
HOSTILE = {
    "commas in one line": (COMMAS, 413, "more than 500 columns"),
    "commas in many lines": (
        b"keyword,volume\n" + (b"," * 499 + b"\n") * 9_000,
        413,
        "more than 2,000,000 cells",
    ),
    "line ends": (b"keyword\n" + b"\n" * 4_900_000, 413, "more than 50,000 rows"),
    "not a workbook": (b"PK\x03\x04" + b"\0" * 100_000, 422, "damaged or protected"),
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyword_import, "pause", lambda _seconds: None)


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


@pytest.fixture
def read_while_others_save(monkeypatch: pytest.MonkeyPatch, sector: Sector) -> list[str]:
    """Each time a file is read, another transaction is committed before the reading ends."""
    saves: list[str] = []

    def read(*arguments: Any) -> Any:
        assert not db.session().in_transaction()
        with db.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout = 0")
            connection.execute(text("UPDATE sector SET version = version + 1"))
            connection.commit()
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout = 10000")
        saves.append("saved")
        return read_in_bounds(*arguments)

    monkeypatch.setattr(importing, "read_in_bounds", read)
    return saves


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_while_others_save(
    app: Flask, session: Session, people: People, browser: FlaskClient, sector: Sector, name: str,
    read_while_others_save: list[str],
) -> None:  # fmt: skip
    data, code, words = HOSTILE[name]
    page = choose(browser, data, f"{sector.site_id}-{sector.id}")
    assert (page.status_code, words in page.text) == (code, True)
    answer = send(program_of(app, session, people.operator), data, site=sector.site_id)
    assert (answer.status_code, words in answer.text) == (code, True)
    assert len(read_while_others_save) == 2
    assert session.scalar(select(func.count(Keyword.id))) == 0


def test_every_step_reads_the_file_while_others_save(
    app: Flask, session: Session, people: People, browser: FlaskClient, sector: Sector,
    read_while_others_save: list[str],
) -> None:  # fmt: skip
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}")
    assert browser.get(preview).status_code == 200
    assert browser.post(preview, data={"existing": "update"}).status_code == 200
    assert send(program_of(app, session, people.operator), SHEET, site=sector.site_id).status_code == 201
    assert len(read_while_others_save) == 4


def rows(count: int) -> bytes:
    return b"keyword,volume\n" + b"".join(b"sock %d,%d\n" % (number, number) for number in range(count))


def work(session: Session, meanwhile: Callable[[int], None] = lambda _commits: None) -> None:
    """A worker executes the operation; `meanwhile` is called after each of its commits."""
    machine = Machine(session)
    commits = 0

    @contextmanager
    def transaction() -> Iterator[Session]:
        nonlocal commits
        with machine.transaction() as inner:
            yield inner
        commits += 1
        meanwhile(commits)

    lifecycle.execute_next(transaction, KINDS, machine.clock)


def ask(browser: FlaskClient, sector: Sector) -> str:
    """Upload a large file in the browser; returns the address of its operation."""
    preview = upload(browser, rows(MANY), f"{sector.site_id}-{sector.id}")
    assert "5,001 rows to import" in browser.get(preview).text
    answer = browser.post(preview, data={"existing": "update"})
    assert (answer.status_code, "/operations/" in answer.location) == (303, True)
    return str(answer.location)


def test_a_large_file_is_an_operation_with_progress(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    address = ask(browser, sector)
    page = browser.get(address).text
    assert "Waiting for a free worker" in page
    assert "0 of 5,001 keywords" in page
    seen: list[str] = []

    def look(commits: int) -> None:
        if commits == 4:
            session.rollback()
            seen.append(browser.get(address, headers=PART).text)

    work(session, look)
    assert "Cancel and take back" in seen[0]
    assert "Rules that wait for new keywords start when the whole file is in." in seen[0]
    done = browser.get(address).text
    assert "New keywords" in done
    assert "5,001" in done
    assert "hx-trigger" not in done.partition('id="operation_body"')[2].partition(">")[0]
    assert session.scalar(select(func.count(Event.id))) == MANY
    assert session.scalar(select(func.count(EventBatch.id)).where(EventBatch.closed_at.is_not(None))) == 1


def test_a_large_import_can_be_cancelled_on_its_page(
    browser: FlaskClient, session: Session, sector: Sector
) -> None:
    address = ask(browser, sector)

    def stop(commits: int) -> None:
        if commits == 5:
            session.rollback()
            answer = browser.post(f"{address}/cancel", follow_redirects=True)
            assert "takes back the new keywords that nobody has worked on" in answer.text

    work(session, stop)
    operation = session.scalars(select(Operation)).one()
    page = browser.get(address).text
    assert f"{operation.result['taken_back']:,} new keywords taken back." in page
    assert operation.result["taken_back"] > 0
    assert session.scalar(select(func.count(Keyword.id))) == 0
    assert session.scalar(select(func.count(EventBatch.id))) == 0


def test_one_request_answers_when_the_last_part_is_in(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    answer = send(program_of(app, session, people.operator), rows(MANY), site=sector.site_id)
    assert (answer.status_code, answer.json["created"], answer.json["rejected"]) == (201, MANY, 0)
    assert session.scalar(select(func.count(Keyword.id))) == MANY


def test_a_request_whose_import_is_cancelled_meanwhile_says_so(
    app: Flask, session: Session, people: People, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_part = keyword_import._Execution._write_part

    def write_and_cancel(execution: keyword_import._Execution) -> bool:
        has_more = write_part(execution)
        operation = session.scalars(select(Operation)).one()
        if operation.cancel_requested_at is None:
            lifecycle.cancel_operation(session, operation, operation.created_at)
            session.commit()
        return has_more

    monkeypatch.setattr(keyword_import._Execution, "_write_part", write_and_cancel)
    answer = send(program_of(app, session, people.operator), rows(MANY), site=sector.site_id)
    assert (answer.status_code, "was cancelled" in answer.json["detail"]) == (409, True)
    assert session.scalar(select(func.count(Keyword.id))) == 0


def test_a_file_that_one_web_process_took_is_seen_by_another(
    app: Flask, session: Session, people: People, browser: FlaskClient, sector: Sector, tmp_path: Any
) -> None:
    preview = upload(browser, SHEET, f"{sector.site_id}-{sector.id}")
    settings = app.extensions["settings"].model_copy(update={"data_dir": tmp_path / "another machine"})
    other = create_app(settings)
    with other.app_context():
        page = browser_of(other, db.session(), people.operator).get(preview)
        db.session.remove()
        db.engine.dispose()
    assert (page.status_code, "4 rows to import" in page.text) == (200, True)


def test_a_hostile_file_is_refused_quickly(browser: FlaskClient, sector: Sector) -> None:
    begun = time.process_time()
    choose(browser, COMMAS, f"{sector.site_id}-{sector.id}")
    assert time.process_time() - begun < 2
