"""An action has one name, the label of the catalogue, on every page that names it."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from tests.factories import make_cluster, make_sector, make_site, make_task, make_webhook
from tests.modules.automation_pages import NIGHTLY, make_rule, make_run
from tests.people import People, browser_of, make_people

PARAMS: dict[str, dict[str, Any]] = {
    "create_record": {"type": "idea", "title": "Look"},
    "ask_person": {"question": "Go on?"},
    "notify": {"message": "Look"},
    "pause_rule": {"action": "generate_content"},
    "resume_rule": {"action": "generate_content"},
    "update_records": {"note": "Look"},
}
SENTENCES = {"create_record": "create an idea"}
"""What a rule's sentence says more exactly than the label."""
NAMED = re.compile(r"\bactions? “([^”{]+)”")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def words(owner: FlaskClient, address: str) -> str:
    answer = owner.get(address, follow_redirects=True)
    assert answer.status_code == 200, address
    return unescape(answer.text)


@pytest.mark.parametrize("key", CATALOGUE)
def test_every_page_with_an_action_shows_its_label(
    owner: FlaskClient, session: Session, people: People, key: str
) -> None:
    entry, site = CATALOGUE[key], make_site(session, people.account)
    record_type = entry.takes[0] if entry.takes else None
    params = PARAMS.get(key, {})
    if "webhook" in entry.inputs:
        params = params | {"webhook": make_webhook(session, people.account).id}
    actions = [{"type": key, "params": params}]
    rule = make_rule(
        session,
        people.account,
        name="It",
        record_type=record_type,
        conditions={},
        actions=actions,
        site=site.id,
    )
    run = make_run(session, rule, "completed", record_type=record_type, result={"summary": "Done."})
    sentence = SENTENCES.get(key, entry.label[:1].lower() + entry.label[1:])
    for address in ("/rules", f"/rules/{rule.id}", "/history", f"/runs/{run.id}"):
        assert sentence in words(owner, address), address
    assert entry.label in words(owner, f"/runs/{run.id}")
    form = owner.post(f"/rules/{rule.id}/edit?step=do").location
    assert f">{entry.label}</option>" in words(owner, form)


def test_pages_without_records_name_actions_as_the_catalogue_does(
    owner: FlaskClient, session: Session, people: People
) -> None:
    found = {
        address: set(NAMED.findall(words(owner, address)))
        for address in ("/clusters", "/ideas", "/tasks", "/content")
    }
    sector = make_sector(session, make_site(session, people.account))
    cluster, task = make_cluster(session, sector), make_task(session, sector)
    make_rule(
        session,
        people.account,
        **NIGHTLY | {"actions": [{"type": "pause_rule", "params": PARAMS["pause_rule"]}]},
    )
    session.commit()
    for address in (f"/clusters/{cluster.id}", f"/tasks/{task.id}", "/rules", "/rules/templates", "/credits"):
        found[address] = set(NAMED.findall(words(owner, address)))
    named = {address: names for address, names in found.items() if names}
    assert len(named) >= 6
    labels = {entry.label for entry in CATALOGUE.values()}
    assert all(names <= labels for names in named.values()), named


def test_no_text_of_ours_names_an_action_by_hand() -> None:
    """A name that is typed into a page or a message does not follow the catalogue."""
    own = [path for folder in ("app", "templates") for path in (ROOT / folder).rglob("*.*")]
    texts = {path: path.read_text() for path in own if path.suffix in (".py", ".html")}
    labels = {entry.label for entry in CATALOGUE.values()}
    typed = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts.items()
        for name in NAMED.findall(text)
        if name in labels or re.match(r"[A-Z][a-z]+ (?:the |content |writing )?[a-z]+", name)
    }
    assert not typed


def test_a_kind_of_task_has_one_name(owner: FlaskClient, session: Session, people: People) -> None:
    sector = make_sector(session, make_site(session, people.account))
    actions = [{"type": "create_tasks", "params": {"task_type": "link"}}]
    rule = make_rule(session, people.account, record_type="idea", conditions={}, actions=actions)
    task = make_task(session, sector, task_type="link")
    session.commit()
    form = owner.post(f"/rules/{rule.id}/edit?step=do").location
    for address in (f"/tasks/{task.id}", f"/tasks/{task.id}/edit", "/tasks", form):
        assert "Set links" in words(owner, address), address
    assert "“set links”" in words(owner, f"/rules/{rule.id}")
