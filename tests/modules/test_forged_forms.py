"""Values that no page of ours sends are refused beside their field, not stored, and break no later page."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.business.automation.models import RuleDraft
from app.modules.automation.rule_form.forged_rows import CHOOSE, DAMAGED, NUMBER
from app.modules.automation.rule_form.step_table import KEYS
from tests.modules.automation_pages import make_rule
from tests.people import browser_of, make_people
from tests.sampling import times

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
def test_a_forged_answer_is_refused_and_not_stored(
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
    for key in times(full=(*KEYS,), sample=(step, "check")):
        assert browser.get(f"{draft}/{key}").status_code == 200, key


CONDITION = {
    "record_type": "keyword", "g0-match": "all", "c0-group": "0", "c0-field": "volume", "c0-operator": "gte",
    "c0-value": "100",
}  # fmt: skip
STATUS = CONDITION | {"c0-field": "status", "c0-operator": "eq", "c0-value": "new"}
COUNT = CONDITION | {
    "c0-field": "count:content", "c0-where-g0-match": "all", "c0-where-c0-group": "0",
    "c0-where-c0-field": "title", "c0-where-c0-operator": "contains", "c0-where-c0-value": "x",
}  # fmt: skip
NOTIFY = {
    "a0-type": "notify",
    "a0-sent": "notify",
    "a0-p-message": "Look",
    "a0-p-to": "",
    "a0-on_error": "stop",
}
PAUSE = {"a0-type": "pause_rule", "a0-sent": "pause_rule", "a0-p-action": "notify", "a0-on_error": "stop"}
WORDS = {
    "a0-type": "create_tasks",
    "a0-sent": "create_tasks",
    "a0-p-word_count": "900",
    "a0-on_error": "stop",
}
WHEN = {
    "a0-type": "update_records",
    "a0-sent": "update_records",
    "a0-p-labels_add": "x",
    "a0-on_error": "stop",
} | {f"a0-when-{name}": value for name, value in CONDITION.items() if name != "record_type"}
FORGED_ROWS = [
    ("which", CONDITION, "c0-field", "gone"), ("which", CONDITION, "c0-field", "²"),
    ("which", CONDITION, "c0-field", "count:gone"), ("which", CONDITION, "c0-operator", "gone"),
    ("which", CONDITION, "c0-operator", "contains"), ("which", CONDITION, "c0-value", "²"),
    ("which", CONDITION, "c0-value", "--5"), ("which", CONDITION, "g0-match", "some"),
    ("which", CONDITION, "c0-group", "7"), ("which", CONDITION, "c0-kept", '{"field": "volume"}'),
    ("which", STATUS, "c0-value", "gone"), ("which", STATUS, "c0-operator", "gte"),
    ("which", COUNT, "c0-where-c0-field", "gone"), ("which", COUNT, "c0-where-c0-operator", "gone"),
    ("do", NOTIFY, "a0-type", "gone"),
    ("do", NOTIFY, "a0-on_error", "explode"), ("do", PAUSE, "a0-p-action", "gone"),
    ("do", PAUSE, "a0-p-rule_id", "²"), ("do", PAUSE, "a0-p-rule_id", "1" + "0" * 30),
    ("do", WORDS, "a0-p-word_count", "²"), ("do", WORDS, "a0-p-due_in_days", "soon"),
    ("do", WHEN, "a0-when-c0-field", "gone"), ("do", WHEN, "a0-when-c0-value", "²"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "honest", "name", "value"), FORGED_ROWS)
def test_a_forged_part_of_a_row_is_refused_beside_its_input_and_not_stored(
    app: Flask, session: Session, step: str, honest: dict[str, str], name: str, value: str
) -> None:
    people = make_people(session)
    browser = browser_of(app, session, people.owner)
    rule = make_rule(session, people.account)
    draft = browser.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    kept_as_sent = browser.post(f"{draft}/{step}", data=honest | {"go": "name"})
    assert kept_as_sent.status_code == 303, kept_as_sent.text
    kept = session.scalars(select(RuleDraft)).one().steps
    for way in ({}, {"go": "name"}, {"change": "refresh"}):
        answer = browser.post(f"{draft}/{step}", data=honest | {name: value} | way)
        assert answer.status_code == 422, way
        assert 'class="field-error"' in answer.text, way
        assert any(sentence in answer.text for sentence in (CHOOSE, NUMBER, DAMAGED, "Not a valid choice")), (
            way
        )
    session.expire_all()
    assert session.scalars(select(RuleDraft)).one().steps == kept


def test_another_question_is_no_forgery(app: Flask, session: Session) -> None:
    """When another field is chosen, the inputs of the previous one are sent too, with script and without."""
    people = make_people(session)
    browser = browser_of(app, session, people.owner)
    draft = browser.post(f"/rules/{make_rule(session, people.account).id}/edit").location.rpartition("/")[0]
    for field in ("status", "text", "site", "created_at", "volume", "count:content", "cluster.name"):
        stale = STATUS | {"c0-field": field}
        assert browser.post(f"{draft}/which", data=stale | {"change": "refresh"}).status_code == 303, field
        assert browser.post(f"{draft}/which", data=stale | {"go": "name"}).status_code == 303, field
        browser.post(f"{draft}/which", data=STATUS | {"go": "name"})
    for kind in ("pause_rule", "create_tasks", "notify"):
        stale = NOTIFY | {"a0-type": kind, "change": "refresh"}
        assert browser.post(f"{draft}/do", data=stale).status_code == 303, kind


def test_a_deleted_reference_of_the_rule_is_no_forgery(app: Flask, session: Session) -> None:
    people = make_people(session)
    browser = browser_of(app, session, people.owner)
    rule = make_rule(session, people.account)
    rule.conditions = {"field": "gone", "operator": "eq", "value": "x"}
    session.commit()
    draft = browser.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    kept = session.scalars(select(RuleDraft)).one().steps["which"]
    sent = MultiDict([(name, value) for name, value in kept])
    assert browser.post(f"{draft}/which", data=sent).status_code == 422
    sent["go"] = "name"
    assert browser.post(f"{draft}/which", data=sent).status_code == 303


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
    for key in times(full=(*KEYS,), sample=(step, "check")):
        assert browser.get(f"{draft}/{key}").status_code < 400, key
