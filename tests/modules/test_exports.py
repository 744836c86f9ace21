"""Lists as files: exactly the rows of the list under its filters, in its order, from the API and from the pages."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from html import unescape
from re import findall
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from python_calamine import CalamineWorkbook
from sqlalchemy.orm import Session

from app.business import paging
from app.business.accounts.models import AuditEntry
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.planner.models import Site
from app.modules.api.declaration import declared_calls
from app.modules.api.exports import FILE
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.people import People, browser_of, make_people, program_of

FILTERS = {
    "/api/planner/keywords/": "text=shoes&volume_from=10&ordering=volume",
    "/api/planner/clusters/": "status=new&status=done&ordering=-name",
    "/api/planner/ideas/": "text=shoes&sort=title",
    "/api/writer/tasks/": "task_type=write&due_before=2030-01-07&ordering=due_on",
    "/api/writer/content/": "outline=false&ordering=title",
    "/api/billing/ledger/": "kind=adjust&ordering=created_at",
    "/api/accounts/audit/": "action=export.tried&ordering=created_at",
}
PAGES = {
    "/keywords": ("/api/planner/keywords/", "text=shoes&volume_from=10&sort=volume&columns=cpc"),
    "/clusters": ("/api/planner/clusters/", "status=new&sort=name"),
    "/ideas": ("/api/planner/ideas/", "text=shoes&sort=title&made_by_run="),
    "/tasks": ("/api/writer/tasks/", "task_type=write&due_before=2030-01-07&sort=due"),
    "/content": ("/api/writer/content/", "text=shoes&sort=title&status=no-status"),
    "/credits": ("/api/billing/ledger/", ""),
}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def site(session: Session, people: People) -> Site:
    """With five of everything that is exported."""
    site = make_site(session, people.account, name="=Harbour, Blog")
    sector, now = make_sector(session, site), datetime.now(UTC)
    for index in range(5):
        text = f"{'=trail ' if index % 2 else ''}shoes {index}"
        make_keyword(session, sector, text=text, volume=index * 10 or None, labels=["a", f"l{index}"])
        make_cluster(session, sector, name=text)
        make_idea(session, sector, title=text)
        make_task(session, sector, title=text, due_on=date(2030, 1, 9) - timedelta(days=index))
        make_content(session, sector, title=text, html="<p>" + "word " * index + "</p>")
        CreditService().add(
            session,
            account_id=people.account.id,
            kind=EntryKind.ADJUST,
            amount=5,
            key=f"k{index}",
            reason=f"=adjusted {index}",
            now=now,
        )
        entry = {"subject_type": "site", "subject_id": site.id, "data": {"text": text}, "created_at": now}
        session.add(AuditEntry(account_id=people.account.id, action="export.tried", **entry))
    session.commit()
    return site


@pytest.fixture
def api(app: Flask, session: Session, people: People, site: Site) -> FlaskClient:
    return program_of(app, session, people.owner)


def listed(api: FlaskClient, path: str, query: str) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{path}?{query}&limit=3&cursor={cursor}").json
        found += page["results"]
        cursor = page["next"]
    return found


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.data.decode().splitlines()]


def part(row: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in keys}


@pytest.mark.both_databases
def test_a_file_has_the_rows_of_its_list_under_the_same_filters_in_its_order(
    api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "AT_ONCE", 2)
    for path, query in FILTERS.items():
        rows = listed(api, path, query)
        assert len(rows) > 2, path
        in_file = lines(api.get(f"{path}export/?{query}&format=jsonl"))
        assert [part(line, row) for line, row in zip(in_file, rows, strict=True)] == rows
        for line in in_file:
            assert line.get("site_name", "=Harbour, Blog") == "=Harbour, Blog"
        assert len(lines(api.get(f"{path}export/?format=jsonl"))) >= len(rows)
        refused = api.get(f"{path}export/?{query}&limit=2")
        assert (refused.status_code, list(refused.json["errors"])) == (400, ["limit"])
    monkeypatch.setattr(paging, "MOST_ROWS", 3)
    assert len(lines(api.get("/api/planner/keywords/export/?format=jsonl"))) == 3


def test_every_list_that_is_to_be_had_as_a_file_is_tried(app: Flask) -> None:
    exports = {call.path for call in declared_calls(app).values() if call.answers == FILE}
    assert exports == {f"{path}export/" for path in FILTERS} | {"/api/automation/scheduled-tasks/export/"}


def test_a_formula_is_text_and_a_list_is_one_cell_in_tables(api: FlaskClient) -> None:
    for path in FILTERS:
        answer = api.get(f"{path}export/?{FILTERS[path]}")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        cells = [cell for row in csv.reader(io.StringIO(answer.text, newline="")) for cell in row]
        assert not [cell for cell in cells if cell[:1] in "=@+" and cell], path
        assert path.endswith("audit/") or any(cell.startswith("'=") for cell in cells), path
        book = CalamineWorkbook.from_filelike(
            io.BytesIO(api.get(f"{path}export/?{FILTERS[path]}&format=xlsx").data)
        )
        assert len(book.get_sheet_by_index(0).to_python()) == len(listed(api, path, FILTERS[path])) + 1
    rows = list(csv.DictReader(io.StringIO(api.get("/api/planner/keywords/export/?sort=text").text)))
    assert rows[0]["text"] == "'=trail shoes 1"
    assert rows[0]["labels"] == "a; l1"
    assert (rows[0]["volume"], rows[0]["cluster"], rows[0]["cluster_name"]) == ("10", "", "")


def test_each_list_links_to_its_files_with_exactly_its_filter(
    app: Flask, session: Session, people: People, site: Site
) -> None:
    viewer = browser_of(app, session, people.viewer)
    for page, (path, query) in PAGES.items():
        shown = viewer.get(f"{page}?{query}&site={site.id if page != '/credits' else ''}")
        links = [unescape(link) for link in findall(rf'href="({path}export/[^"]*)"', shown.text)]
        kinds = {link.partition("format=")[2]: link for link in links}
        assert list(kinds) == ["csv", "jsonl", "xlsx"]
        for name in findall(r"(\w+)=[\w-]+", query):
            assert (f"{name}=" in links[0]) == (name not in ("columns", "status") or "=new" in query), links
        rows = lines(viewer.get(kinds["jsonl"]))
        assert rows
        for row in rows:
            identity = row.get("text") or row.get("name") or row.get("title") or row["reason"]
            assert unescape(identity) in unescape(shown.text), page
