"""Control and direction characters are refused beside every one-line field: of each form, and of each API body."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, get_args

import pytest
from flask import Flask
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.plain_characters import CONTROL, DIRECTION
from app.modules.api.resource import Schema
from tests.fuzz.world import STEPS, World, fingerprint, make_world, steady
from tests.modules.automation_rest import RULES, rule_body
from tests.sampling import turn

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
SIGNS = {"\x07": CONTROL, "\u202e": DIRECTION, "\u2066": DIRECTION}
LINES = ("text", "search", "email", "url", "tel")
"""Types of one-line text inputs."""


@dataclass
class Forms(HTMLParser):
    """The POST forms of a page as a browser would send them, and the names of their one-line fields."""

    forms: list[tuple[str, list[list[str]], list[str]]] = field(default_factory=list)
    select: str | None = None
    area: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said: dict[str, Any] = {name: value or "" for name, value in attrs}
        if tag == "form":
            post = said.get("method", "").lower() == "post"
            self.forms.append((said.get("action", "") if post else "GET", [], []))
        if not self.forms:
            return
        _, pairs, lines = self.forms[-1]
        name, kind = said.get("name"), said.get("type", "text")
        if tag == "select" and name:
            self.select = name
        elif tag == "option" and self.select:
            first = all(pair[0] != self.select for pair in pairs)
            if first or "selected" in said:
                pairs[:] = [pair for pair in pairs if pair[0] != self.select]
                pairs.append([self.select, said.get("value", "")])
        elif tag == "textarea" and name:
            pairs.append([name, ""])
            self.area = name
        elif tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in said):
            if kind not in ("submit", "file"):
                pairs.append([name, said.get("value", "")])
            if kind in LINES and "list" not in said:
                lines.append(name)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = None
        if tag == "textarea":
            self.area = None

    def handle_data(self, data: str) -> None:
        if self.area:
            self.forms[-1][1][-1][1] += data


def forms_of(world: World) -> dict[str, tuple[list[list[str]], list[str]]]:
    """Address -> what the browser would send, and the one-line fields; of every page of the URL map."""
    found: dict[str, tuple[list[list[str]], list[str]]] = {}
    for rule in world.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.rule.startswith(("/api/", "/static", "/welcome")):
            continue
        for step in STEPS if "<step>" in rule.rule else ("when",):
            address = world.address(rule.rule).replace("/when", f"/{step}")
            answer = world.browser.get(address)
            if answer.status_code != 200 or answer.mimetype != "text/html":
                continue
            page = Forms()
            page.feed(answer.text)
            for action, pairs, lines in page.forms:
                if action != "GET" and lines:
                    found.setdefault(action or address, (pairs, lines))
    return found


def test_every_one_line_field_of_every_form(app: Flask, session: Session) -> None:
    world = make_world(app, session)
    steady(app)
    add_rows(world)
    try:
        forms = forms_of(world)
        fields = [(action, name) for action, (_, lines) in forms.items() for name in lines]
        assert len(fields) > 30, fields
        for number, (action, name) in enumerate(fields):
            before = fingerprint(session)
            for sign, sentence in turn(tuple(SIGNS.items()), number):
                sent = [[key, f"a{sign}b" if key == name else value] for key, value in forms[action][0]]
                answer = world.browser.post(action, data=_many(sent))
                session.rollback()  # As the end of a request does.
                found = re.findall(r'field-error"[^>]*>.*?<span>(.*?)</span>', answer.text)
                assert (answer.status_code, sentence in answer.text) == (422, True), (
                    action,
                    name,
                    sign,
                    found,
                )
            assert fingerprint(session) == before, (action, name)
            if "/drafts/" in action:
                # The draft stores the input, and other steps are validated only when this one is valid.
                assert (
                    world.browser.post(action, data=_many(forms[action][0]) | {"go": "name"}).status_code
                    == 303
                )
    finally:
        app.config.update(PROPAGATE_EXCEPTIONS=None, RATELIMIT_ENABLED=True)


def add_rows(world: World) -> None:
    """Store conditions and actions with every kind of one-line input in the draft."""
    draft = f"/rules/drafts/{world.ids['draft']}"
    which = {"c0-group": "0", "c0-field": "text", "c0-operator": "contains", "c0-value": "shoes",
             "c1-group": "0", "c1-field": "country", "c1-operator": "in", "c1-value": "de, us"}  # fmt: skip
    kept = world.browser.post(f"{draft}/which", data=which | {"g0-match": "all", "go": "name"})
    assert kept.status_code == 303
    do = {"a0-type": "update_records", "a0-sent": "update_records", "a0-p-labels_add": "x", "a0-on_error": "stop",
          "a1-type": "create_record", "a1-sent": "create_record", "a1-p-type": "idea", "a1-p-title": "T",
          "a1-on_error": "stop", "a2-type": "pause_rule", "a2-sent": "pause_rule", "a2-p-action": "notify",
          "a2-on_error": "stop"}  # fmt: skip
    assert world.browser.post(f"{draft}/do", data=do | {"go": "name"}).status_code == 303


# --- API bodies

BASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "AiSent": ("PUT", "/api/outlets/ai/", {"base_url": "https://ai.example/", "model": "x"}),
    "WordPressSent": (
        "PUT",
        "/api/planner/sites/{site}/wordpress/",
        {"url": "https://blog.example/", "username": "x", "application_password": "x"},
    ),
    "WebhookNew": ("POST", "/api/outlets/webhooks/", {"name": "x", "url": "https://hooks.example/"}),
    "WebhookChanges": ("PATCH", "/api/outlets/webhooks/{webhook}/", {}),
    "SiteNew": ("POST", "/api/planner/sites/", {"name": "x"}),
    "SiteChanges": ("PATCH", "/api/planner/sites/{site}/", {}),
    "SectorNew": ("POST", "/api/planner/sectors/", {"site": "{site}", "name": "x"}),
    "SectorChanges": ("PATCH", "/api/planner/sectors/{sector}/", {}),
    "KeywordNew": ("POST", "/api/planner/keywords/", {"site": "{site}", "text": "x"}),
    "KeywordChanges": ("PATCH", "/api/planner/keywords/{keyword}/", {}),
    "ClusterNew": ("POST", "/api/planner/clusters/", {"site": "{site}", "name": "x"}),
    "ClusterChanges": ("PATCH", "/api/planner/clusters/{cluster}/", {}),
    "SplitCluster": (
        "POST",
        "/api/planner/clusters/{cluster}/split/",
        {"name": "x", "keywords": ["{keyword}"]},
    ),
    "StatusOfMany": (
        "POST",
        "/api/planner/keywords/set-status/",
        {"ids": ["{keyword}"], "status": "ignored"},
    ),
    "SettingsChanges": ("PATCH", "/api/accounts/settings/", {}),
    "IdeaNew": ("POST", "/api/planner/ideas/", {"site": "{site}", "title": "x"}),
    "IdeaChanges": ("PATCH", "/api/planner/ideas/{idea}/", {}),
    "TaskNew": ("POST", "/api/writer/tasks/", {"site": "{site}", "title": "x"}),
    "TaskChanges": ("PATCH", "/api/writer/tasks/{task}/", {}),
    "ContentNew": ("POST", "/api/writer/content/", {"site": "{site}", "title": "x"}),
    "MarkPublished": ("POST", "/api/writer/content/{content}/mark-published/", {}),
    "AnswerQuestion": (
        "POST",
        "/api/automation/scheduled-tasks/{run}/answer/",
        {"question": 1, "version": "x", "answer": "x"},
    ),
    "PublishAsked": ("POST", "/api/writer/content/{content}/publish/", {}),
    "SendBack": ("POST", "/api/writer/content/{content}/send-back/", {}),
    "ContentChanges": ("PATCH", "/api/writer/content/{content}/", {}),
    "CalendarSent": ("PUT", "/api/planner/sites/{site}/calendar/", {}),
}
"""Schema -> the call that accepts it. A new schema with texts must be added here."""
BODIES = {"note", "description", "brief", "html", "about", "audience", "tone", "call_to_action", "facts"}
"""Multi-line texts."""
KEPT_NOWHERE = {"ImportRules", "PreviewAsked", "BackTestAsked", "RuleTrial"}
"""Validated by the rule's checks, or used for reading only."""
NOT_FOR_KEYS = {"SendBackChange"}
"""A key is refused before its text is looked at."""
BASE = {"RecordWritten", "KeywordFigures", "PauseSent", "WorkingHoursSent"}
"""Base classes, and parts of other bodies."""


def schemas(base: type[BaseModel] = Schema) -> dict[str, type[BaseModel]]:
    """Every request body of the API that contains a text."""
    found: dict[str, type[BaseModel]] = {}
    for model in base.__subclasses__():
        found |= schemas(model)
        if texts_of(model):
            found[model.__name__] = model
    return found


def texts_of(model: type[BaseModel]) -> dict[str, bool]:
    """Text fields -> whether they are lists of texts."""
    return {
        name: info.annotation == list[str]
        for name, info in model.model_fields.items()
        if info.annotation is str or str in get_args(info.annotation) or info.annotation == list[str]
    }


def test_every_text_of_every_api_body(app: Flask, session: Session) -> None:
    world = make_world(app, session)
    found = schemas()
    assert found.keys() - KEPT_NOWHERE - NOT_FOR_KEYS - BASE == BASES.keys()
    before = fingerprint(session)
    for schema, (method, address, base) in BASES.items():
        for name, is_list in texts_of(found[schema]).items():
            body = {key: _filled(value, world.ids) for key, value in base.items()}
            for sign, sentence in SIGNS.items():
                if name in BODIES and sentence == DIRECTION:
                    continue
                text = f"a{sign}b"
                answer = world.api.open(
                    address.format(**world.ids),
                    method=method,
                    json=body | {name: [text] if is_list else text},
                )
                session.rollback()
                assert answer.status_code == 422, (schema, name, sign, answer.text)
                assert list(answer.json["errors"]) == [name], (schema, name, answer.json)
    assert fingerprint(session) == before


def test_every_text_of_a_rule(app: Flask, session: Session) -> None:
    """The rule's own texts, those of every action's parameters, and values of conditions."""
    world = make_world(app, session)
    before = fingerprint(session)
    for path, body, is_body in rule_texts():
        for sign, sentence in SIGNS.items():
            if is_body and sentence == DIRECTION:
                continue
            answer = world.api.post(RULES, json=_with(body, f"a{sign}b") | {"is_active": False})
            session.rollback()
            assert answer.status_code == 422, (path, sign, answer.text)
            assert path in answer.json["errors"], (path, answer.json)
    assert fingerprint(session) == before


def rule_texts() -> list[tuple[str, dict[str, Any], bool]]:
    """Path, a rule with TEXT there, and whether that text may have several lines."""
    own = [name for name, info in RuleDefinition.model_fields.items() if info.annotation is str]
    found = [(name, rule_body(**{name: TEXT}), name == "description") for name in own]
    for entry in CATALOGUE.values():
        for name, info in entry.params.model_fields.items():
            kind = str(info.annotation)
            if "str" in kind:
                params = {**NEEDED.get(entry.key, {}), name: [TEXT] if "list" in kind else TEXT}
                actions = [{"type": entry.key, "params": params}]
                found.append(
                    (
                        f"actions[0].params.{name}",
                        rule_body(actions=actions),
                        entry.inputs[name].several_lines,
                    )
                )
    leaf = {"field": "text", "operator": "contains", "value": TEXT}
    several = {"field": "country", "operator": "in", "value": ["de", TEXT]}
    found.append(
        ("conditions.all[1].value", rule_body(conditions={"all": [several | {"value": ["x"]}, leaf]}), False)
    )
    found.append(("conditions.value", rule_body(conditions=several), False))
    label = {"type": "update_records", "params": {"labels_add": ["x"]}, "when": {"not": leaf}}
    found.append(("actions[0].when.not.value", rule_body(actions=[label]), False))
    return found


TEXT = "TEXT"
NEEDED: dict[str, dict[str, Any]] = {
    "ask_person": {"question": "x"},
    "create_record": {"type": "idea", "title": "x"},
    "notify": {"message": "x"},
    "pause_rule": {"action": "notify"},
    "resume_rule": {"action": "notify"},
}


def _with(body: Any, text: str) -> Any:
    if isinstance(body, dict):
        return {key: _with(value, text) for key, value in body.items()}
    if isinstance(body, list):
        return [_with(value, text) for value in body]
    return text if body == TEXT else body


def _filled(value: Any, ids: dict[str, int]) -> Any:
    if isinstance(value, list):
        return [_filled(item, ids) for item in value]
    return ids[value.strip("{}")] if isinstance(value, str) and value.startswith("{") else value


def _many(pairs: list[list[str]]) -> dict[str, list[str]]:
    data: dict[str, list[str]] = {}
    for name, value in pairs:
        if name != "csrf_token":
            data.setdefault(name, []).append(value)
    return data
