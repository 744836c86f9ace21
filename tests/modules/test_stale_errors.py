"""A red box disappears when its error is fixed, and others stay: with htmx at once, without it at the next step."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.modules.rule_form_answers import DAILY, LABEL, LIMITS, answer, begin
from tests.people import browser_of, make_people

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
FULL = PARTIAL | {"HX-Request-Type": "full"}
"""The header htmx sends where it selects the form from the whole page."""
BOX = "error-summary"
WHICH = {"record_type": "keyword", "record_minimum": "1"}
EMPTY = WHICH | {
    "c0-group": "0", "c0-field": "volume", "c0-operator": "gte", "c0-value": "",
    "c1-group": "0", "c1-field": "text", "c1-operator": "eq", "c1-value": "",
}  # fmt: skip
WRONG_LIMITS = LIMITS | {"max_executions_per_day": "0", "record_limit": "9999"}


@pytest.fixture
def editor(app: Flask, session: Session) -> FlaskClient:
    return browser_of(app, session, make_people(session).editor)


@pytest.fixture
def draft(editor: FlaskClient) -> str:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "schedule"}), ("where", {"place": ""}), ("which", WHICH))
    answer(editor, draft, ("do", LABEL), ("often", DAILY))
    return draft


@pytest.mark.parametrize(
    ("step", "wrong", "corrected", "rest"),
    [
        ("which", EMPTY, {"c0-value": "500"}, {"c1-value": "shoe"}),
        ("do", {"a0-type": "generate_content", "a0-sent": "generate_content"}, LABEL, {}),
        ("limits", WRONG_LIMITS, {"max_executions_per_day": "5"}, {"record_limit": "50"}),
        ("name", {"name": "", "description": ""}, {"name": "Night"}, {}),
    ],
)
def test_a_change_removes_its_own_error(
    editor: FlaskClient,
    draft: str,
    step: str,
    wrong: dict[str, str],
    corrected: dict[str, str],
    rest: dict[str, str],
) -> None:
    refused = editor.post(f"{draft}/{step}", data=wrong)
    assert (refused.status_code, BOX in refused.text) == (422, True)
    faulty = [*corrected, *rest] if step != "do" else ["a0-type"]
    assert all(f'name="faulty" value="{name}"' in refused.text for name in faulty)
    again = {"change": "refresh", "faulty": faulty}
    headers = PARTIAL if step in ("which", "do") else FULL
    unchanged = editor.post(f"{draft}/{step}", data=wrong | again, headers=headers).text
    assert all(f'id="{name}-error"' in unchanged for name in faulty)
    half = editor.post(f"{draft}/{step}", data=wrong | corrected | again, headers=headers).text
    assert (BOX in half) == bool(rest)
    assert not any(f'id="{name}-error"' in half for name in corrected)
    assert all(f'id="{name}-error"' in half for name in rest)
    done = editor.post(f"{draft}/{step}", data=wrong | corrected | rest | again, headers=headers)
    assert (done.status_code, BOX in done.text) == (200, False)
    following = editor.post(f"{draft}/{step}", data=wrong | corrected | rest, follow_redirects=True)
    assert (following.status_code, BOX in following.text) == (200, False)


def test_a_new_row_shows_no_error_before_it_was_sent(editor: FlaskClient, draft: str) -> None:
    more = {"change": "add:g0", "faulty": ["c0-value", "c1-value"]}
    page = editor.post(
        f"{draft}/which", data=EMPTY | {"c0-value": "5", "c1-value": "shoe"} | more, headers=PARTIAL
    )
    assert page.status_code == 200
    assert 'name="c2-value"' in page.text
    assert BOX not in page.text
