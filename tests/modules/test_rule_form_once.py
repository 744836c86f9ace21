"""The rule form builds each of its steps once per request, and validates the whole rule once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.services import automation_service
from app.modules.automation.rule_form import form as rule_form
from app.modules.automation.rule_form import schedule_step, steps
from tests.modules.automation_pages import NIGHTLY, ON_KEYWORDS, make_rule
from tests.modules.rule_form_answers import DAILY, LABEL, LIMITS, ROW, up_to_check
from tests.people import People, browser_of, make_people

STEP_FORMS = (
    steps.NameStep,
    steps.WhenStep,
    steps.WhereStep,
    steps.WhichStep,
    steps.DoStep,
    schedule_step.ScheduleStep,
    schedule_step.EventStep,
    steps.LimitsStep,
    steps.CheckStep,
)
ANSWERS: dict[str, dict[str, str]] = {
    "name": {"name": "Easy words"},
    "when": {"trigger": "schedule"},
    "where": {"place": ""},
    "which": {"record_type": "keyword", "record_minimum": "1"} | ROW,
    "do": LABEL,
    "often": DAILY,
    "limits": LIMITS,
    "check": {},
}
WRONG: dict[str, dict[str, str]] = {
    "name": {"name": ""},
    "when": {"trigger": "status_changed", "which_change": "keyword:nothing"},
    "where": {"place": "site:987654"},
    "which": ROW | {"c0-value": "many"},
    "do": {"a0-type": "generate_content", "a0-sent": "generate_content"},
    "often": DAILY | {"frequency": "cron", "cron": "never"},
    "limits": LIMITS | {"max_executions_per_day": "0"},
}
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def editor(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.editor)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each step is built, and the rule validated, in the block."""
    counts: Counter[str] = Counter()

    def count(owner: type[Any] | ModuleType, name: str, label: str) -> None:
        original = getattr(owner, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            counts[label] += 1
            return original(*args, **kwargs)

        patch.setattr(owner, name, counting)

    with monkeypatch.context() as patch:
        for form in STEP_FORMS:
            count(form, "__init__", form.__name__)
        for module in (automation_service, rule_form):
            count(module, "checked", "rule")
        yield counts


def is_once(counts: Counter[str]) -> bool:
    return bool(counts) and max(counts.values()) == 1


@pytest.mark.parametrize("step", list(ANSWERS))
def test_a_step_is_shown_with_each_step_built_once(
    editor: FlaskClient, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    draft = up_to_check(editor)
    with counted(monkeypatch) as counts:
        assert editor.get(f"{draft}/{step}").status_code == 200
    assert is_once(counts), counts


@pytest.mark.parametrize("step", list(ANSWERS))
def test_a_step_is_stored_with_each_step_built_once(
    editor: FlaskClient, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    draft = up_to_check(editor)
    with counted(monkeypatch) as counts:
        assert editor.post(f"{draft}/{step}", data=ANSWERS[step]).status_code == 303
    assert is_once(counts), counts


@pytest.mark.parametrize("step", list(WRONG))
def test_a_step_at_fault_is_shown_again_with_each_step_built_once(
    editor: FlaskClient, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    draft = up_to_check(editor)
    with counted(monkeypatch) as counts:
        assert editor.post(f"{draft}/{step}", data=WRONG[step]).status_code == 422
    # Suspicious values are compared with the stored step, which is built for that.
    assert is_once(counts - Counter({"WhichStep": step == "which"})), counts


@pytest.mark.parametrize(
    ("step", "change"), [("which", "refresh"), ("which", "add:g0"), ("do", "refresh"), ("do", "add")]
)
def test_rows_are_changed_with_each_step_built_once(
    editor: FlaskClient, monkeypatch: pytest.MonkeyPatch, step: str, change: str
) -> None:
    draft = up_to_check(editor)
    changed = ANSWERS[step] | {"change": change, "faulty": "c0-value"}
    with counted(monkeypatch) as counts:
        assert editor.post(f"{draft}/{step}", data=changed, headers=PARTIAL).status_code == 200
    assert is_once(counts), counts


@pytest.mark.parametrize("step", ["which", "often"])
def test_a_preview_builds_each_step_once(
    editor: FlaskClient, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    draft = up_to_check(editor)
    with counted(monkeypatch) as counts:
        assert editor.post(f"{draft}/{step}/preview", data=ANSWERS[step]).status_code == 200
    assert is_once(counts), counts


@pytest.mark.parametrize("on", ["0", "1"])
def test_a_rule_is_saved_with_one_check(
    editor: FlaskClient, monkeypatch: pytest.MonkeyPatch, on: str
) -> None:
    draft = up_to_check(editor)
    with counted(monkeypatch) as counts:
        assert editor.post(f"{draft}/save", data={"on": on}).status_code == 303
    assert is_once(counts), counts


@pytest.mark.parametrize("rule", [NIGHTLY, ON_KEYWORDS | {"schedule": {}}])
def test_a_change_of_a_rule_is_begun_shown_and_saved_with_one_check_each(
    editor: FlaskClient,
    session: Session,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    rule: dict[str, Any],
) -> None:
    saved = make_rule(session, people.account, **rule)
    with counted(monkeypatch) as begun:
        draft = editor.post(f"/rules/{saved.id}/edit").location
    with counted(monkeypatch) as shown:
        assert editor.get(draft).status_code == 200
    with counted(monkeypatch) as kept:
        editor.post(f"{draft.rpartition('/')[0]}/save", data={"on": "1", "practice": "y"})
    assert all(map(is_once, (begun, shown, kept))), (begun, shown, kept)
