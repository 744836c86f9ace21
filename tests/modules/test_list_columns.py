"""The columns of the lists of records are chosen by the person, and stay chosen in this browser."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from flask import Flask
from sqlalchemy.orm import Session

from app.modules.list_columns import SHARED, ListColumns
from app.modules.planner.list_columns import IDEA_COLUMNS, KEYWORD_COLUMNS, cluster_columns
from app.modules.writer.list_columns import CONTENT_COLUMNS, TASK_COLUMNS
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.people import browser_of, make_people


def test_columns_are_shown_and_kept(app: Flask, session: Session) -> None:
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    make_keyword(
        session, sector, text="running shoes", clicks=4321, position=7.5, parent_keyword="shoes",
        serp_features=["snippet", "video"], traffic_potential=98765,
    )  # fmt: skip
    session.commit()
    browser = browser_of(app, session, people.viewer)
    assert "4,321" not in browser.get("/keywords").text
    names = "&".join(
        f"columns={name}"
        for name in (
            "",
            "clicks",
            "position",
            "parent_keyword",
            "serp_features",
            "traffic_potential",
            "nonsense",
        )
    )
    for address in (f"/keywords?{names}", "/keywords"):
        page = browser.get(address).text.partition("<table")[2]
        for said in ("4,321", "7.5", "shoes", "snippet, video", "98,765"):
            assert said in page, said
        assert "Difficulty" not in page
    assert "4,321" not in browser.get("/keywords?columns=").text.partition("<table")[2]


LISTS = {
    "/keywords": KEYWORD_COLUMNS,
    "/clusters": cluster_columns({}),
    "/ideas": IDEA_COLUMNS,
    "/tasks": TASK_COLUMNS,
    "/content": CONTENT_COLUMNS,
}


def test_every_list_shows_the_usual_columns_or_those_chosen(app: Flask, session: Session) -> None:
    people, now = make_people(session), datetime.now(UTC)
    sector = make_sector(session, make_site(session, people.account))
    shared = {"labels": ["spring", "shop"], "assignee_id": people.editor.id, "status_since": now}
    cluster = make_cluster(session, sector, **shared)
    idea = make_idea(session, sector, title="An idea", cluster_id=cluster.id, **shared)
    make_keyword(session, sector, cluster_id=cluster.id, **shared)
    task = make_task(session, sector, title="A task", idea_id=idea.id, due_on=date(2020, 1, 2), **shared)
    make_content(session, sector, task_id=task.id, published_at=now, **shared)
    session.commit()
    browser = browser_of(app, session, people.viewer)
    for address, columns in LISTS.items():
        usual = heads(browser.get(address).text)
        assert usual[2:] == labels(columns, columns.usual), address
        everything = "&".join(f"columns={name}" for name in columns.all)
        page = browser.get(f"{address}?{everything}&text=").text
        assert heads(page)[2:] == labels(columns, list(columns.all)), address
        assert "spring, shop" in page
        assert re.search(r'data-label="Assigned to"[^>]*><div class="cell">\s*Editor<', page), address
        assert heads(browser.get(address).text) == heads(page), "kept in this browser"
        browser.get(f"{address}?columns=labels")
        assert heads(browser.get(f"{address}?status=x").text)[2:] == ["Labels"]
    assert "Overdue" in browser.get("/tasks?columns=due").text


def test_heads_sort_the_list_and_keep_its_filter(app: Flask, session: Session) -> None:
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    for volume in (5, 900, 30):
        make_keyword(session, sector, text=f"word {volume}", volume=volume)
    session.commit()
    browser = browser_of(app, session, people.viewer)
    page = browser.get("/keywords?status=new").text
    (address,) = re.findall(r'class="sort-link" href="([^"]*sort=volume)"', page)
    assert address == "/keywords?status=new&amp;sort=volume"
    found = re.findall(r'class="row-link"[^>]*>([^<]+)<', browser.get(address.replace("&amp;", "&")).text)
    assert found == ["word 900", "word 30", "word 5"]


def heads(page: str) -> list[str]:
    row = page.partition("<thead")[2].partition("</thead>")[0]
    cells = re.findall(r'<th role="columnheader" scope="col"(?: class="is-end")?>(.*?)</th>', row, re.DOTALL)
    return [re.sub(r"<[^>]+>|, sorted", "", cell).strip() for cell in cells]


def labels(columns: ListColumns, names: Sequence[str]) -> list[str]:
    return [columns.all[name].label for name in columns.all if name in names]


def test_shared_columns_are_in_every_list() -> None:
    assert all(set(SHARED) <= set(columns.all) for columns in LISTS.values())
