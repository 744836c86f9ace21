"""People limited to one site: no list, count, page, search or export contains anything of another site."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import add_notice
from app.business.accounts.services.scope import Scope, owned
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.errors import NotFound
from app.business.planner.models import Keyword, Site
from app.modules.access import Person
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.fuzz.world import fingerprint
from tests.modules.archived_rows import make_archived
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.modules.permissions import NEEDED, address, make_rows
from tests.modules.test_permissions import calls, comparable, is_api, query_of
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

OF_THE_ACCOUNT = """
    billing.credits billing_api.list_entries billing_api.show_credits system.health
"""
"""Figures of the whole account, with all its runs and credits."""
HIDDEN = "zzhidden"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rows(app: Flask, session: Session, people: People) -> dict[str, str]:
    """One of everything on the site that the person may see."""
    app.config["RATELIMIT_ENABLED"] = False
    rows = make_rows(app, session, people)
    for model in (AutomationRule, ScheduledTask):
        session.execute(update(model).values(site_id=int(rows["site"])))
    session.commit()
    return rows


@pytest.fixture
def limited(rows: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every person is limited to one site."""
    sites = frozenset({int(rows["site"])})
    monkeypatch.setattr(Person, "scope", property(lambda person: Scope(person.account.id, sites)))


def make_others(session: Session, people: People) -> dict[str, str]:
    """Rows of another site of the account, with recognisable names."""
    site = make_site(session, people.account, name=f"{HIDDEN} site")
    sector = make_sector(session, site, name=f"{HIDDEN} sector")
    rule = make_rule(
        session, people.account, **ON_KEYWORDS | {"name": f"{HIDDEN} rule"}, schedule={}, conditions={},
        site=site.id,
    )  # fmt: skip
    late = datetime.now(UTC).date()
    cluster = make_cluster(session, sector, name=f"{HIDDEN} cluster")
    made = {
        "site": site, "sector": sector, "rule": rule, "cluster": cluster,
        "run": make_run(session, rule, "failed", reason="action_failed", site_id=site.id),
        "keyword": make_keyword(session, sector, text=f"{HIDDEN} keyword", cluster_id=cluster.id),
        "idea": make_idea(session, sector, title=f"{HIDDEN} idea"),
        "task": make_task(session, sector, title=f"{HIDDEN} task", due_on=late),
        "content": make_content(session, sector, title=f"{HIDDEN} article"),
    }  # fmt: skip
    make_run(session, rule, "pending", waiting_for="budget", site_id=site.id)
    add_notice(
        session, account_id=people.account.id, level="info", title=f"{HIDDEN} notice", body="Look.",
        now=datetime.now(UTC), rule_id=rule.id,
    )  # fmt: skip
    session.commit()
    return {kind: str(row.id) for kind, row in made.items()}


@pytest.mark.usefixtures("limited")
def test_what_is_read_is_the_same_with_and_without_archived_records_and_rows_of_another_site(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    clients = {False: browser_of(app, session, people.owner), True: program_of(app, session, people.owner)}
    asked = [
        (endpoint, address(rule, rows) + query_of(endpoint), clients[is_api(rule)])
        for endpoint, method, rule in calls(app)
        if method == "GET" and NEEDED[endpoint] != "anyone" and endpoint not in OF_THE_ACCOUNT.split()
    ]
    searches = ("/keywords", "/clusters", "/ideas", "/tasks", "/content", "/rules", "/api/planner/keywords/")
    asked += [(path, f"{path}?text={HIDDEN}", clients[is_api(path)]) for path in searches]
    with time_machine.travel(datetime.now(UTC), tick=False):
        clients[True].get("/api/planner/sites/")  # From now on the page of keys says that it was used.
        before = [read(client, path) for _, path, client in asked]
        make_others(session, people)
        make_archived(session, rows, HIDDEN)
        after = [read(client, path) for _, path, client in asked]
    told = [path for (_, path, _), old, new in zip(asked, before, after, strict=True) if new != old]
    assert told == []


@pytest.mark.usefixtures("limited")
def test_no_row_of_another_site_is_fetched_or_changed(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    others = rows | make_others(session, people)
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    before, asked = fingerprint(session), 0
    for _, method, rule in calls(app):
        where = address(rule, others)
        if where != address(rule, rows):
            client = program if is_api(rule) else browser
            answer = client.open(where, method=method, json={} if is_api(rule) else None)
            assert answer.status_code == 404, (method, rule, answer.status_code)
            asked += 1
    assert asked > 80
    assert fingerprint(session) == before


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/planner/keywords/", {"site": "site", "text": "x"}),
     ("/api/planner/sectors/", {"site": "site", "name": "x"}),
     ("/api/planner/clusters/", {"site": "site", "name": "x"}),
     ("/api/planner/ideas/", {"cluster": "cluster", "title": "x"}),
     ("/api/writer/tasks/", {"idea": "idea", "title": "x"}), ("/api/writer/content/", {"task": "task", "title": "x"})],
)  # fmt: skip
def test_nothing_is_put_onto_another_site(
    app: Flask, session: Session, people: People, path: str, body: dict[str, Any]
) -> None:
    others = make_others(session, people)
    sent = {name: int(others[value]) if value in others else value for name, value in body.items()}
    assert program_of(app, session, people.owner).post(path, json=sent).status_code == 404


@pytest.mark.usefixtures("limited")
def test_records_that_a_request_names_are_left_alone_on_another_site(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    others = make_others(session, people)
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    before = fingerprint(session)
    for path, kind, status in (
        ("/keywords/decide", "keyword", "ignored"), ("/ideas/decide", "idea", "accepted"),
        ("/tasks/decide", "task", "queued"),
    ):  # fmt: skip
        answer = browser.post(path, data={"ids": others[kind], "status": status})
        assert answer.status_code == 303, path
    regroup = {"ids": others["keyword"], "do": "move", "cluster": rows["cluster"]}
    assert browser.post(f"/clusters/{rows['cluster']}/keywords", data=regroup).status_code == 422
    rule, number = f"/api/automation/rules/{rows['rule']}", int(others["keyword"])
    for path, body in (
        ("execute", {"record_ids": [number], "even_if_off": True}), ("price", {"record_ids": [number]}),
        ("test", {"record_id": number}),
    ):  # fmt: skip
        assert program.post(f"{rule}/{path}/", json=body).status_code == 404, path
    assert browser.get(f"/rules/{rows['rule']}/test?record={number}").status_code == 404
    assert fingerprint(session) == before


def test_a_scope_without_sites_is_the_whole_account(session: Session, people: People) -> None:
    here, there = make_sector(session, make_site(session, people.account)), make_site(session, people.account)
    keyword = make_keyword(session, here)
    account_id = people.account.id
    assert owned(session, Keyword, keyword.id, Scope(account_id)) is keyword
    assert (
        owned(session, Keyword, keyword.id, Scope(account_id, frozenset({here.site_id, there.id}))) is keyword
    )
    for sites in (frozenset({there.id}), frozenset[int]()):
        for model, id in ((Keyword, keyword.id), (Site, here.site_id)):
            with pytest.raises(NotFound):
                owned(session, model, id, Scope(account_id, sites))


def read(client: FlaskClient, path: str) -> tuple[int, bytes]:
    answer = client.get(path)
    return answer.status_code, re.sub(rb'name="request_key" value="[^"]*"', b"", comparable(answer))
