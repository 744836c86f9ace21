"""Values that no page of ours sends are refused beside their field, kept nowhere, and break no later page."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleDraft
from app.modules.automation.wizard import KEYS
from tests.modules.automation_pages import make_rule
from tests.people import browser_of, make_people

FORGED = [
    ("when", {"trigger": "run_finished", "of_rule": "²"}),
    ("when", {"trigger": "run_finished", "of_rule": "1" + "0" * 400}),
    ("when", {"trigger": "run_finished", "ended": "else"}),
    ("when", {"trigger": "status_changed", "which_change": "gone:new"}),
    ("when", {"trigger": "gone"}),
    ("where", {"place": "site:²"}),
    ("which", {"record_type": "gone"}),
    ("which", {"record_type": "keyword", "record_minimum": "--5"}),
    ("often", {"frequency": "window", "window_until": "²", "window_from": "x", "window_every": "--5"}),
    ("often", {"frequency": "window", "window_days": "²"}),
    ("often", {"frequency": "minutes", "every": "²"}),
    ("often", {"frequency": "weekly", "weekdays": "8", "at": "09:00"}),
    ("limits", {"priority": "²", "max_executions_per_day": "10"}),
    ("limits", {"priority": "5", "max_executions_per_day": "²"}),
]


@pytest.mark.parametrize(("step", "data"), FORGED)
def test_a_forged_answer_is_refused_and_not_kept(
    app: Flask, session: Session, step: str, data: dict[str, str]
) -> None:
    people = make_people(session)
    browser = browser_of(app, session, people.owner)
    draft = browser.post(f"/rules/{make_rule(session, people.account).id}/edit").location.rpartition("/")[0]
    kept = session.scalars(select(RuleDraft)).one().steps
    for way in ({}, {"go": "name"}, {"change": "refresh"}):
        answer = browser.post(f"{draft}/{step}", data=data | way)
        assert answer.status_code == 422, way
    session.expire_all()
    assert session.scalars(select(RuleDraft)).one().steps == kept
    for key in KEYS:
        assert browser.get(f"{draft}/{key}").status_code == 200, key


@pytest.mark.parametrize(
    ("step", "data"),
    [("do", {"a²-type": "notify"}), ("do", {"a0-type": "notify", "change": "up:a²"}), ("do", {"a0-p-rule_id": "²"}),
     ("do", {"a0-type": "pause_rule", "a0-sent": "pause_rule", "a0-p-rule_id": "²"}), ("check", {}), ("often", {}),
     ("which", {"c²-field": "volume"}), ("limits", {}), ("when", {}), ("where", {})],
)  # fmt: skip
def test_missing_and_odd_parts_break_no_page(
    app: Flask, session: Session, step: str, data: dict[str, str]
) -> None:
    people = make_people(session)
    browser = browser_of(app, session, people.owner)
    draft = browser.post(f"/rules/{make_rule(session, people.account).id}/edit").location.rpartition("/")[0]
    assert browser.post(f"{draft}/{step}", data=data).status_code < 500
    for key in KEYS:
        assert browser.get(f"{draft}/{key}").status_code < 400, key
