"""Conditions on values of an incoming message in the rule form: entered by their place, shown and saved again alike."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.modules.automation.rule_form.conditions.from_rule import pairs_from
from app.modules.automation.rule_form.conditions.tree import ConditionTree
from tests.modules.automation_pages import make_rule
from tests.people import browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
TELL = {"type": "notify", "params": {"message": "{incoming.who}"}}


@pytest.mark.parametrize(
    ("leaf", "is_typed"),
    [
        ({"field": "incoming.order.total", "operator": "gte", "value": 100}, True),
        ({"field": "incoming.order.total", "operator": "between", "value": [1, 2.5]}, True),
        ({"field": "incoming.who", "operator": "eq", "value": "Ada"}, True),
        ({"field": "incoming.who", "operator": "contains", "value": "ad", "ignore_case": True}, True),
        ({"field": "incoming.who", "operator": "in", "value": ["Ada", "Bob"]}, True),
        ({"field": "incoming.who", "operator": "is_empty"}, True),
        ({"field": "incoming.total", "operator": "gt", "value": {"field": "incoming.limit"}}, False),
        ({"field": "incoming.paid", "operator": "eq", "value": True}, False),
        ({"field": "account.credits_available", "operator": "lt", "value": 5}, True),
    ],
)
def test_a_condition_on_a_message_is_shown_as_it_is_saved(
    app: Flask, session: Session, leaf: dict[str, Any], is_typed: bool
) -> None:
    with app.test_request_context():
        tree = ConditionTree(pairs_from({"all": [leaf]}, "incoming"), "incoming", lambda _name: [])
        assert tree.json() == {"all": [leaf]}
        (row,) = tree.rows
        assert (row.kept is None) == is_typed


def test_the_place_of_a_value_is_entered_and_an_empty_one_is_named(app: Flask, session: Session) -> None:
    people = make_people(session)
    editor = browser_of(app, session, people.editor)
    conditions = {"all": [{"field": "incoming.order.total", "operator": "gte", "value": 100}]}
    rule: AutomationRule = make_rule(
        session, people.account, name="Large orders", trigger="incoming", record_type=None, schedule={},
        conditions=conditions, actions=[TELL],
    )  # fmt: skip
    session.commit()
    page = editor.post(f"/rules/{rule.id}/edit", follow_redirects=True)
    path = page.request.path.rpartition("/")[0]
    which = editor.get(f"{path}/which")
    assert 'value="order.total"' in which.text
    assert "a number of the message" in which.text
    sent = {
        "record_type": "none", "c1-group": "0", "c1-field": "incoming:number", "c1-operator": "gte",
        "c1-path": "", "c1-value": "5",
    }  # fmt: skip
    refused = editor.post(f"{path}/which", data=sent)
    assert "place in the message is empty" in refused.text
