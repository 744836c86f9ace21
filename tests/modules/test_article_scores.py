"""The score of articles: kept with the text, explained on its page, used by rules, changed by the site's profile."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.planner.models import Sector
from tests.factories import make_content, make_sector, make_site, make_task
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.both_databases
TEXT = "<h2>Oak</h2><p>An oak table lasts longer than the house, says everybody who has one.</p>"
METAS = {"meta_title": "Oak tables", "meta_description": "What oak tables are good for."}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    sector = make_sector(session, make_site(session, people.account))
    session.commit()
    return sector


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


def written(api: FlaskClient, sector: Sector, html: str = TEXT, **more: object) -> dict[str, object]:
    body = {"site": sector.site_id, "title": "Tables", "html": html, **METAS, **more}
    answer = api.post("/api/writer/content/", json=body)
    assert answer.status_code == 201
    return answer.json


def test_every_save_of_a_text_scores_it(api: FlaskClient, sector: Sector) -> None:
    made = written(api, sector)
    assert (made["score"], made["checks_failed"]) == (100, [])
    address = f"/api/writer/content/{made['id']}/"
    worse = api.patch(address, json={"html": f"{TEXT}<p>As an AI language model, I cannot browse.</p>"}).json
    assert (worse["score"], worse["checks_failed"]) == (60, ["ai_talk"])
    assert api.patch(address, json={"html": TEXT}).json["score"] == 100
    assert api.patch(address, json={"main_keyword": "beech chair"}).json["checks_failed"] == ["keywords"]
    brief = api.patch(address, json={"outline": True}).json
    assert (brief["score"], brief["checks_failed"]) == (None, [])
    assert api.patch(address, json={"score": 100}).status_code == 422


def test_an_article_is_checked_against_its_task_and_the_other_pages_of_its_site(
    api: FlaskClient, session: Session, sector: Sector
) -> None:
    task = make_task(session, sector, title="Tables", word_count=200, main_keyword="oak table")
    make_content(
        session,
        sector,
        title="House",
        html="<p>An oak table lasts longer than the house, says everybody who has one.</p>",
    )
    session.commit()
    answer = api.post("/api/writer/content/", json={"task": task.id, "title": "T", "html": TEXT, **METAS})
    assert answer.json["checks_failed"] == ["length", "copied"]


def test_a_rule_can_use_score_and_failed_checks(api: FlaskClient, sector: Sector) -> None:
    written(api, sector)
    bad = written(api, sector, "<p>[Insert statistic here]</p>")
    low = {"field": "score", "operator": "lt", "value": 80}
    gap = {"field": "checks_failed", "operator": "contains", "value": "placeholder"}
    rule = {
        "name": "Write again", "trigger": "content_generated", "conditions": {"all": [low, gap]},
        "actions": [{"type": "update_records", "params": {"labels_add": ["again"]}}], "is_active": True,
    }  # fmt: skip
    made = api.post("/api/automation/rules/", json=rule)
    assert made.status_code == 201, made.json
    price = api.post(f"/api/automation/rules/{made.json['id']}/price/", json={})
    assert price.json["records"] == 1, bad


def test_the_profile_of_a_site_changes_what_is_found(
    api: FlaskClient, app: Flask, session: Session, people: People, sector: Sector
) -> None:
    made = written(api, sector)
    profile = {"about": "Tables.", "tone": "Calm.", "words_to_avoid": ["lasts longer", "synergy"]}
    site = api.patch(f"/api/planner/sites/{sector.site_id}/", json=profile)
    assert {name: site.json[name] for name in profile} == profile
    browser = browser_of(app, session, people.operator)
    page = browser.get(f"/content/{made['id']}")
    assert "Score: 100 of 100" in page.text
    browser.post(f"/content/{made['id']}/check")
    page = browser.get(f"/content/{made['id']}").text
    assert "Score: 90 of 100" in page
    assert "1 of the words that the site avoids is used." in page
    assert api.get(f"/api/writer/content/{made['id']}/").json["checks_failed"] == ["banned_words"]


def test_the_profile_is_edited_on_the_page_of_the_site(
    app: Flask, session: Session, people: People, sector: Sector
) -> None:
    browser = browser_of(app, session, people.owner)
    address = f"/sites/{sector.site_id}/edit"
    form = {
        "name": "Tea",
        "language": "en",
        "status": "active",
        "facts": "Since 1990.",
        "words_to_avoid": "a\n\nb b\na",
    }
    assert browser.post(address, data=form).status_code == 303
    page = browser.get(f"/sites/{sector.site_id}").text
    assert "Since 1990." in page
    assert "a, b b" in page
    refused = browser.post(address, data=form | {"words_to_avoid": "x" * 300})
    assert refused.status_code == 422
    assert "at most 255" in refused.text


def test_figures_to_check_are_marked_in_the_preview(
    api: FlaskClient, app: Flask, session: Session, people: People, sector: Sector
) -> None:
    made = written(
        api, sector, '<p>It grew by 87 % &amp; more.</p><p><a title="It grew by 87 % &amp; more.">x</a></p>'
    )
    assert made["checks_failed"] == ["claims"]
    frame = browser_of(app, session, people.viewer).get(f"/content/{made['id']}/article").text
    assert '<p><mark title="Check this">It grew by 87 % &amp; more.</mark></p>' in frame
    assert frame.count("<mark") == 1
