"""The rule form: eight questions, nothing typed is lost, no step can be skipped."""

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.services.rules.versions import definition_of
from app.business.planner.models import Keyword
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule
from tests.modules.rule_form_answers import DAILY, LABEL, LIMITS, ROW, answer, begin, up_to_check
from tests.people import People, browser_of, make_people

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def editor(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.editor)


@pytest.fixture
def keywords(session: Session, people: People) -> list[Keyword]:
    sector = make_sector(session, make_site(session, people.account))
    found = [
        make_keyword(session, sector, text=f"word {volume}", volume=volume) for volume in (100, 600, 900)
    ]
    session.commit()
    return found


def test_eight_answers_make_a_rule(editor: FlaskClient, session: Session) -> None:
    draft = up_to_check(editor)
    assert "Every day at 06:30 Europe/Berlin" in editor.get(f"{draft}/check").text
    assert editor.post(f"{draft}/save", data={"on": "1"}).status_code == 303
    rule = session.scalars(select(AutomationRule)).one()
    assert rule.is_active
    assert rule.conditions == {"all": [{"field": "volume", "operator": "gte", "value": 500}]}
    assert rule.schedule == {"cron": "30 6 * * *", "timezone": "Europe/Berlin"}
    assert rule.max_executions_per_day == 5
    assert session.scalars(select(RuleDraft)).all() == []


def test_a_rule_can_be_saved_switched_off(editor: FlaskClient, session: Session) -> None:
    editor.post(f"{up_to_check(editor)}/save", data={"on": "0"})
    assert session.scalars(select(AutomationRule.is_active)).all() == [False]


def test_without_a_name_nothing_is_created(editor: FlaskClient) -> None:
    refused = editor.post("/rules/new", data={"name": " ", "description": "Kept"})
    assert refused.status_code == 422
    assert "Enter a name." in refused.text
    assert "Kept" in refused.text


def test_posting_the_last_step_skips_none(editor: FlaskClient, session: Session) -> None:
    draft = begin(editor)
    refused = editor.post(f"{draft}/save", data={"on": "1"})
    assert refused.status_code == 422
    assert "What starts it?" in refused.text
    assert editor.get(f"{draft}/limits").location.endswith("/when")
    assert session.scalars(select(AutomationRule)).all() == []


def test_the_last_step_offers_nothing_that_an_open_question_refuses(editor: FlaskClient) -> None:
    draft = up_to_check(editor)
    assert "Save and switch on" in editor.get(f"{draft}/check").text
    editor.post(f"{draft}/which", data=ROW | {"c0-operator": "between", "c0-value2": "", "go": "when"})
    editor.post(f"{draft}/limits", data=LIMITS | {"max_executions_per_day": "0", "go": "when"})
    page = editor.get(f"{draft}/check").text
    assert "2 questions need an answer first" in page
    assert "Every day at 06:30 Europe/Berlin" in page, "the answers beside them are said in words"
    for offered in ("Save and switch on", "Save, switched off", "Try it on the past", "practice"):
        assert offered not in page
    assert "Answer “Which records”" in page
    assert f'href="{draft}/which?faults=1"' in page
    for step, marked in (("which", "field-error"), ("limits", "error-summary")):
        assert marked in editor.get(f"{draft}/{step}?faults=1").text
        assert marked not in editor.get(f"{draft}/{step}").text


def test_back_keeps_what_was_typed_even_when_it_is_wrong(editor: FlaskClient) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}))
    wrong = ROW | {"c0-operator": "between", "c0-value2": "", "go": "where"}
    assert editor.post(f"{draft}/which", data=wrong).location.endswith("/where")
    page = editor.get(f"{draft}/which").text
    assert 'value="500"' in page
    assert 'name="c0-value2"' in page


def test_a_wrong_value_is_refused_beside_its_row_with_the_focus_on_it(editor: FlaskClient) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}))
    refused = editor.post(f"{draft}/which", data=ROW | {"c0-value": "many"})
    assert refused.status_code == 422
    assert re.search(
        r'<input[^>]*autofocus[^>]*id="c0-value"|<input[^>]*id="c0-value"[^>]*autofocus', refused.text
    )
    assert "is a number" in refused.text


def test_rows_are_added_and_removed_without_script(editor: FlaskClient) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}))
    answer(editor, draft, ("which", ROW | {"change": "add-group:g0"}))
    text = editor.get(f"{draft}/which").text
    assert 'id="condition_c1"' in text
    assert 'value="500"' in text
    answer(editor, draft, ("which", ROW | {"c1-group": "1", "c1-field": "text", "change": "remove:c0"}))
    assert 'id="condition_c0"' not in editor.get(f"{draft}/which").text


def test_htmx_gets_the_rows_alone(editor: FlaskClient) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}))
    rows = editor.post(f"{draft}/which", data=ROW | {"change": "add:g0"}, headers=PARTIAL).text
    assert rows.lstrip().startswith('<div id="step_which"')
    assert 'id="condition_c1"' in rows


def test_the_preview_counts_what_matches_while_typing(editor: FlaskClient, keywords: list[Keyword]) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}))
    seen = editor.post(f"{draft}/which/preview", data=ROW, headers=PARTIAL).text
    assert "<strong>2</strong> of 3 keywords match now" in seen
    assert "word 600" in seen
    assert "word 100" not in seen


def test_the_preview_of_times_warns_of_a_limit_that_would_stop_it(editor: FlaskClient) -> None:
    draft = up_to_check(editor)
    seen = editor.post(f"{draft}/often/preview", data=DAILY | {"frequency": "hourly"}, headers=PARTIAL).text
    assert "That is 24 runs a day; the limit of 5 would stop it there." in seen
    assert seen.count("<tr>") == 11


WINDOW = DAILY | {
    "frequency": "window", "window_every": "30", "window_from": "9", "window_until": "11",
    "window_days": ["2", "3", "4"],
}  # fmt: skip


def test_hours_of_some_days_need_no_cron_line(editor: FlaskClient) -> None:
    draft = up_to_check(editor)
    seen = editor.post(f"{draft}/often/preview", data=WINDOW, headers=PARTIAL).text
    assert "at 09:00, 09:30, 10:00 and 10:30 Europe/Berlin" in seen
    answer(editor, draft, ("often", WINDOW))
    assert re.search(r'value="window" checked|checked[^>]*value="window"', editor.get(f"{draft}/often").text)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"window_until": "9"}, "Choose an hour after 09:00"),
        ({"window_days": []}, "Choose at least one day."),
        ({"timezone": "Europe/Berln"}, "did you mean Europe/Berlin"),
    ],
)
def test_an_impossible_schedule_is_refused_beside_its_field(
    editor: FlaskClient, changed: dict[str, Any], said: str
) -> None:
    draft = up_to_check(editor)
    refused = editor.post(f"{draft}/often", data=WINDOW | changed)
    assert refused.status_code == 422
    assert said in refused.text


def test_a_zone_that_is_not_known_yet_is_named_in_the_preview(editor: FlaskClient) -> None:
    draft = up_to_check(editor)
    seen = editor.post(f"{draft}/often/preview", data=WINDOW | {"timezone": "Europe/Ber"}, headers=PARTIAL)
    assert "Unknown time zone" in seen.text
    assert "Europe/Berlin" in seen.text


def test_actions_are_moved_and_keep_their_parameters(editor: FlaskClient, session: Session) -> None:
    draft = begin(editor)
    which = {"record_type": "cluster", "record_minimum": "1"}
    answer(editor, draft, ("when", {"trigger": "schedule"}), ("where", {"place": ""}), ("which", which))
    ideas = {"a1-type": "generate_ideas", "a1-sent": "generate_ideas", "a1-p-ideas_per_cluster": "7"}
    answer(editor, draft, ("do", LABEL | ideas | {"a1-on_error": "stop", "change": "up:a1"}))
    text = editor.get(f"{draft}/do").text
    assert text.index('value="7"') < text.index('value="easy"')


def test_what_is_created_decides_which_inputs_there_are(editor: FlaskClient, keywords: list[Keyword]) -> None:
    """An idea has neither word count nor due day; when a task is chosen later, its inputs have defaults."""
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}), ("which", ROW))
    fresh = {"a0-type": "create_record", "a0-sent": "update_records", "change": "refresh"}
    idea = editor.post(f"{draft}/do", data=fresh, headers=PARTIAL).text
    assert "makes ideas" in idea
    assert "a0-p-word_count" not in idea
    sent = fresh | {"a0-sent": "create_record", "a0-p-type": "task", "a0-p-title": "On {text}"}
    task = editor.post(f"{draft}/do", data=sent, headers=PARTIAL).text
    assert "makes tasks" in task
    assert re.search(r'name="a0-p-word_count"[^>]* value="1000"', task)
    assert 'value="On {text}"' in task
    said = {"a0-p-type": "idea", "a0-on_error": "stop", "a0-p-word_count": "700"}
    answer(
        editor,
        draft,
        ("do", sent | said | {"change": ""}),
        ("often", {"batching": "batch", "repeat": "once"}),
        ("limits", LIMITS),
    )
    seen = unescape(editor.get(f"{draft}/check").text)
    assert "Create an idea (“On {text}”)" in seen
    assert "That costs nothing." in seen


def test_an_action_that_lacks_its_records_says_so(editor: FlaskClient) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}), ("which", ROW))
    write = {"a0-type": "generate_content", "a0-sent": "generate_content", "a0-on_error": "stop"}
    refused = editor.post(f"{draft}/do", data=write)
    assert refused.status_code == 422
    assert "Action 1 needs task records" in refused.text


def test_saving_an_event_rule_can_take_what_is_here_already(
    editor: FlaskClient, session: Session, keywords: list[Keyword]
) -> None:
    draft = begin(editor)
    answer(
        editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}), ("which", ROW), ("do", LABEL),
        ("often", {"batching": "each", "repeat": "once"}), ("limits", LIMITS),
    )  # fmt: skip
    assert "start with the 2 keywords already here" in editor.get(f"{draft}/check").text
    location = editor.post(f"{draft}/save", data={"on": "1", "backfill": "1"}).location
    assert "Existing records" in editor.get(location).text


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": {"cron": "7 */6 * * 1,3", "timezone": "Asia/Tokyo"}}
        | {"repeat": "after_days", "repeat_after_days": 9},
        {"schedule": {"cron": "30 6 * * *"}, "split_by": "site"},
        {"schedule": {"cron": "30 6 * * *", "timezone": "Asia/Tokyo"}, "split_by": "site"},
        {"conditions": {"any": [{"field": "text", "operator": "contains", "value": "Pan"},
                                {"not": {"any": [{"field": "created_at", "operator": "newer_than", "value": "7d"}]}}]}},
        {"conditions": {"not": {"all": [{"all": [{"any": [{"field": "volume", "operator": "is_empty"}]}]}]}}},
        ON_KEYWORDS | {"record_type": None, "conditions": {}, "schedule": {}, "priority": 2, "mode": "shadow"},
        {"schedule": {"at": "2097-03-01T09:00:00+00:00", "timezone": "Europe/Berlin"}, "split_by": "site"},
    ],
)  # fmt: skip
def test_editing_without_a_change_changes_nothing(
    editor: FlaskClient, session: Session, people: People, changes: dict[str, Any]
) -> None:
    rule = make_rule(session, people.account, **changes)
    before = definition_of(rule)
    draft = editor.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    data = {"on": "1"} | ({"practice": "y"} if before["mode"] == "shadow" else {})
    assert editor.post(f"{draft}/save", data=data).status_code == 303
    session.expire_all()
    after = session.get_one(AutomationRule, rule.id)
    assert definition_of(after) == before
    assert after.version == 1


def test_a_rule_saved_by_somebody_else_meanwhile_is_not_overwritten(
    editor: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    draft = editor.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    answer(editor, draft, ("name", {"name": "Mine", "description": ""}))
    editor.post(f"/rules/{rule.id}/switch", data={"on": 0})
    refused = editor.post(f"{draft}/save", data={"on": "1"})
    assert refused.status_code == 412
    assert "Everything you typed is still here." in refused.text
    editor.post(f"{draft}/save", data={"on": "1", "overwrite": "2"})
    session.expire_all()
    assert session.get_one(AutomationRule, rule.id).name == "Mine"


def test_a_draft_belongs_to_whoever_began_it(
    app: Flask, session: Session, people: People, editor: FlaskClient
) -> None:
    draft = begin(editor)
    for other in (people.owner, people.stranger):
        assert browser_of(app, session, other).get(f"{draft}/when").status_code == 404
    assert "Easy words" in editor.get("/rules/new").text


def test_a_discarded_draft_is_gone(editor: FlaskClient, session: Session) -> None:
    draft = begin(editor)
    editor.post(f"{draft}/discard")
    assert session.scalars(select(RuleDraft)).all() == []


def test_several_values_of_a_choice_are_kept(editor: FlaskClient, session: Session) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "keyword_added"}), ("where", {"place": ""}))
    chosen = MultiDict({"c0-group": "0", "c0-field": "intent", "c0-operator": "in"})
    chosen.setlist("c0-value", ["commercial", "transactional"])
    answer(
        editor, draft, ("which", chosen), ("do", LABEL), ("often", {"batching": "batch", "repeat": "once"})
    )
    answer(editor, draft, ("limits", LIMITS))
    editor.post(f"{draft}/save", data={"on": "0"})
    leaf = session.scalars(select(AutomationRule)).one().conditions["all"][0]
    assert leaf == {"field": "intent", "operator": "in", "value": ["commercial", "transactional"]}
