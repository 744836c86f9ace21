"""Help names everything that the product declares, says what it means, and has an address for each."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import ROOT
from app.business.automation.run_models import Reason
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.fields import choices_of, fields_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.conditions.nodes import Operator
from app.business.automation.services.rules.fields import OPTIONS
from app.modules.automation.help import texts
from app.modules.automation.help.addresses import help_address
from app.modules.automation.help.entry import matching
from app.modules.automation.help.sections import section_keys, sections
from app.modules.automation.labels.runs import STATUSES
from app.modules.automation.rule_form.step_table import STEPS
from tests.people import browser_of, make_people

MARK = re.compile(r'help_mark\("([\w-]+)"|help="([\w-]+)"')


@pytest.fixture
def browser(app: Flask, session: Session) -> FlaskClient:
    return browser_of(app, session, make_people(session).viewer)


def test_everything_declared_is_explained() -> None:
    wanted = {
        *(f"trigger-{key}" for key in TRIGGERS),
        *(f"action-{key}" for key in CATALOGUE),
        *(f"operator-{operator}" for operator in Operator),
        *(f"run-{state}" for state in STATUSES),
        *(f"reason-{reason}" for reason in Reason),
        *(f"step-{step.key}" for step in STEPS),
        *(f"status-{type}" for type in RECORD_TYPES),
    }
    explained = {
        entry.anchor for section in sections() for entry in section.entries if entry.text or entry.facts
    }
    assert wanted <= explained
    said = {entry.anchor: entry.text for section in sections() for entry in section.entries}
    silent = [anchor for anchor in wanted if not said[anchor] and not anchor.startswith("status-")]
    assert silent == []
    for type in RECORD_TYPES:
        assert set(texts.RECORD_STATUSES[type]) == {status for status, _ in choices_of(type, "status")}
    assert set(texts.OPTION_WORDS) <= set(OPTIONS)


def test_the_fields_of_each_kind_are_in_its_table() -> None:
    tables = {
        table.title: {row[1] for row in table.rows} for section in sections() for table in section.tables
    }
    for type in RECORD_TYPES:
        own = {name for name in fields_of(type) if "." not in name}
        assert own <= tables["Content item" if type == "content" else type.capitalize()]
    assert set(fields_of(None)) == tables["Account and clock, in every rule"]


def test_the_truth_table_says_what_conditions_mean() -> None:
    """By the contract, not by the evaluator that fills it."""
    rows = {row[0]: row[1:] for section in sections() for table in section.tables for row in table.rows}
    assert rows["is “red shoes”"] == ("yes", "no", "no", "no")
    assert rows["is not “red shoes”"] == ("no", "yes", "yes", "yes")
    assert rows["does not contain “red”"] == ("no", "yes", "yes", "yes")
    assert rows["is below 500"] == ("no", "yes", "yes", "no")
    assert rows["is between 100 and 500"] == ("yes", "yes", "no", "no")
    assert rows["include “news”"] == ("yes", "no", "no", "no")
    assert rows["was not in the last 7 days"] == ("yes", "no", "yes")
    assert rows["is more than 7 days old"] == ("yes", "no", "no")


def test_each_mark_in_the_pages_leads_to_a_place_that_is_there(browser: FlaskClient) -> None:
    index, there = browser.get("/help").text, set[str]()
    for section in sections():
        assert f'href="/help/{section.key}"' in index
        ids = re.findall(r'\bid="([^"]+)"', browser.get(f"/help/{section.key}").text)
        assert len(ids) == len(set(ids))
        there |= {f"/help/{section.key}", *(f"/help/{section.key}#{id}" for id in ids)}
    with browser.application.test_request_context():
        assert {help_address(anchor) for anchor in section_keys()} <= there
        marked = {anchor: help_address(anchor) for anchor in marks()}
    assert "operators" in marked
    assert "option-overlap" in marked
    assert set(marked.values()) <= there
    assert browser.get("/help/nothing-like-this").status_code == 404


def marks() -> set[str]:
    return {
        first or second
        for path in (ROOT / "templates").rglob("*.html")
        for first, second in MARK.findall(path.read_text())
        if not (first or second).endswith("-")
    }


def test_it_is_searched_by_words_and_shows_only_what_has_them(browser: FlaskClient) -> None:
    found = matching(sections(), "OUTLINE approve")
    assert [entry.anchor for section in found for entry in section.entries] == ["action-generate_content"]
    part = browser.get("/help?q=cost+per+click", headers={"HX-Request": "true"}).text
    assert "cpc" in part
    assert "impressions" not in part
    assert "Show everything" in browser.get("/help?q=nothinglikethis").text
    assert "/help/options#option-overlap" in browser.get("/search?q=still+going").text
