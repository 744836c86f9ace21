"""Stored rules that are not valid any more: shown with their errors, and repaired by an edit."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.rules.versions import keep_version
from app.business.planner.models import Keyword
from app.modules.automation.labels.repairs import repairs_of
from app.modules.automation.rule_form.step_table import KEYS, STEPS, step_of
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_pages import NIGHTLY, ON_KEYWORDS, ON_RUNS, make_rule, make_run
from tests.modules.automation_rest import RULES, rule_body
from tests.people import People, browser_of, make_people, program_of
from tests.sampling import FULL

SHARES = 1 if FULL else 8
"""A rule takes every fourth of what is tried, the next one the fourth beside it: each is tried with seven rules."""

NUMBERS = count(1)
Tried = TypeVar("Tried")
ON_CLUSTERS = NIGHTLY | {
    "record_type": "cluster",
    "conditions": {},
    "actions": [{"type": "generate_ideas", "params": {}}],
}


def _is(field: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": "eq", "value": value}


def _update(**params: Any) -> dict[str, Any]:
    return {"type": "update_records", "params": {"labels_add": ["seen"]} | params}


def _ideas(cluster: int) -> dict[str, Any]:
    return {"type": "generate_ideas", "params": {"cluster_ids": [cluster]}}


COUNTED = {"count": "content", "where": _is("id", 987_654), "operator": "gte", "value": 1}
STORED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (ON_RUNS, {"trigger_options": {"rule_id": value}}, "trigger_options.rule_id")
    for value in (10**30, 2**63, 2**63 - 1, 987_654, 0, -7, True, "5", 1.5)
] + [
    (ON_RUNS, {"trigger_options": {"status": ["failed"]}}, "trigger_options.status"),
    (ON_RUNS, {"trigger_options": {"else": 1}}, "trigger_options.else"),
    (ON_KEYWORDS, {"conditions": {"field": "gone", "operator": "eq", "value": 1}}, "conditions"),
    (ON_KEYWORDS, {"conditions": {"field": "volume", "operator": "gt", "value": 10**400}}, "conditions"),
    (ON_KEYWORDS, {"conditions": {"field": "cluster", "operator": "eq", "value": 10**30}}, "conditions"),
    (ON_KEYWORDS, {"conditions": _is("site", 987_654)}, "conditions"),
    (ON_KEYWORDS, {"conditions": {"field": "site", "operator": "in", "value": [1, 10**14]}}, "conditions"),
    (
        ON_KEYWORDS,
        {"conditions": {"not": {"any": [_is("made_by_run", 987_654)]}}},
        "conditions.not.any[0].value",
    ),
    (ON_KEYWORDS, {"conditions": COUNTED}, "conditions.where.value"),
    (ON_KEYWORDS, {"actions": [_update(assignee=987_654)]}, "actions[0].params.assignee"),
    (
        ON_KEYWORDS,
        {"actions": [{"type": "pause_rule", "params": {"rule_id": 10**18}}]},
        "actions[0].params.rule_id",
    ),
    (
        ON_KEYWORDS,
        {"actions": [{"type": "pause_rule", "params": {"site": 987_654}}]},
        "actions[0].params.site",
    ),
    (ON_KEYWORDS, {"actions": [_update() | {"when": _is("sector", 10**6)}]}, "actions[0].when.value"),
    (ON_KEYWORDS, {"actions": [_update() | {"when": {"field": "gone"}}]}, "actions[0].when"),
    (ON_CLUSTERS, {"actions": [_ideas(10**18)]}, "actions[0].params"),
    (NIGHTLY, {"schedule": {"cron": "0 9 * *"}}, "schedule.cron"),
    (NIGHTLY, {"schedule": {}}, "schedule"),
    (NIGHTLY, {"schedule": {"at": "never"}}, "schedule.at"),
    (ON_KEYWORDS, {"schedule": {"cron": "0 9 * * *"}}, "schedule"),
]


@pytest.fixture
def people(session: Session) -> People:
    people = make_people(session)
    make_keyword(session, make_sector(session, make_site(session, people.account)), volume=500)
    session.commit()
    return people


def stored(session: Session, people: People, base: dict[str, Any], values: dict[str, Any]) -> AutomationRule:
    """A rule as an older version may have stored it, bypassing validation; with its last version and a run."""
    rule = make_rule(session, people.account, **{"schedule": {}} | base | {"name": f"Odd {next(NUMBERS)}"})
    for name, value in values.items():
        setattr(rule, name, value)
    keep_version(session, rule, datetime.now(UTC), None)
    make_run(session, rule, "completed")
    return rule


def share(tried: Sequence[Tried], number: int) -> Sequence[Tried]:
    """What the rule of this number takes of it."""
    return tried[number % SHARES :: SHARES]


def lists_of(app: Flask) -> list[str]:
    """Every page and list without an id in its address."""
    gets = [found for found in app.url_map.iter_rules() if "GET" in (found.methods or ())]
    return [found.rule for found in gets if not found.arguments and found.endpoint != "system.readyz"]


def addresses_of(app: Flask, rule: AutomationRule, run_id: int) -> Iterator[str]:
    """Every page and list of this rule."""
    yield from (f"{RULES}{rule.id}/", f"{RULES}{rule.id}/why/", f"/runs/{run_id}", f"/history?rule={rule.id}")
    for found in app.url_map.iter_rules():
        if found.rule.startswith("/rules/<int:id>") and "GET" in (found.methods or ()):
            yield found.rule.replace("<int:id>", str(rule.id)).replace("<int:number>", "2")


def last_run_of(session: Session, rule: AutomationRule) -> int:
    query = select(func.max(ScheduledTask.id)).where(ScheduledTask.automation_rule_id == rule.id)
    return session.scalars(query).one() or 0


def test_they_break_no_page_and_say_what_is_wrong(app: Flask, session: Session, people: People) -> None:
    keyword = session.scalars(select(Keyword.id)).one()
    odd = [(stored(session, people, base, values), field) for base, values, field in STORED]
    good = make_rule(session, people.account, **ON_KEYWORDS | {"name": "Good one", "schedule": {}})
    browser, api = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    for address in [
        *lists_of(app),
        "/keywords/1",
        f"/why/keyword/{keyword}",
        "/rules?cursor=",
        f"{RULES}?limit=200",
    ]:
        answer = (api if address.startswith("/api/") else browser).get(address)
        assert answer.status_code < 400 or answer.status_code in (404, 405), (address, answer.text)
    listed = {one["id"]: one["summary"] for one in api.get(f"{RULES}?limit=200").json["results"]}
    assert "needs repair" not in listed[good.id]
    for number, (rule, field) in enumerate(odd):
        said = (rule.trigger, rule.trigger_options, rule.conditions, rule.actions, rule.schedule)
        assert listed[rule.id].startswith(f"This rule needs repair ({field}"), (said, listed[rule.id])
        addresses = [
            *addresses_of(app, rule, last_run_of(session, rule)),
            f"/why/keyword/{keyword}/rule/{rule.id}",
        ]
        for address in {*share(addresses, number), f"/rules/{rule.id}", f"{RULES}{rule.id}/"}:
            answer = (api if address.startswith("/api/") else browser).get(address)
            assert answer.status_code < 500, (address, said)
            if address in (f"/rules/{rule.id}", f"{RULES}{rule.id}/"):
                assert answer.status_code == 200, (address, said)
                assert "needs repair" in answer.text, (address, said)
        for way in share(("test", "preflight", "back-test", "copy", "execute", "enable"), number):
            assert api.post(f"{RULES}{rule.id}/{way}/").status_code < 500, (way, said)
    for way in ("preflight", "test", "execute", "enable"):
        assert api.post(f"{RULES}{good.id}/{way}/").status_code < 300, way


def test_they_can_be_switched_off_renamed_repaired_and_archived(
    app: Flask, session: Session, people: People
) -> None:
    api = program_of(app, session, people.owner)
    for number, (base, values, _) in enumerate(STORED):
        address = f"{RULES}{stored(session, people, base, values).id}/"
        for change in ({"name": f"Renamed {number}"}, {"is_active": False}, {"max_executions_per_day": 1}):
            answer = api.patch(address, json=change)
            assert answer.status_code == 200, (values, change, answer.text)
            assert answer.json | change == answer.json
        for answer in (api.patch(address, json={"is_active": True}), api.post(f"{address}enable/")):
            assert answer.status_code in (409, 422), (values, answer.text)
        answer = api.put(address, json=rule_body(name=f"Repaired {number}"))
        assert answer.status_code == 200, (values, answer.text)
        assert "needs repair" not in answer.json["summary"]
        assert api.delete(address).status_code == 204


def test_their_form_opens_at_every_step(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.owner)
    for number, (base, values, field) in enumerate(STORED):
        answer = browser.post(f"/rules/{stored(session, people, base, values).id}/edit")
        assert answer.status_code == 303, values
        for step in {*share(tuple(KEYS), number), step_of(field)}:
            page = browser.get(answer.location.rpartition("/")[0] + f"/{step}", follow_redirects=True)
            assert page.status_code == 200, (values, step)


def test_a_page_names_the_input_as_the_form_does_and_leads_to_its_step(
    app: Flask, session: Session, people: People
) -> None:
    """Never by its path in the rule, which only programs know."""
    viewer, browser = browser_of(app, session, people.viewer), browser_of(app, session, people.owner)
    for base, values, field in STORED:
        rule = stored(session, people, base, values)
        page, step = browser.get(f"/rules/{rule.id}").text, step_of(field)
        title = next(one.title for one in STEPS if one.key == step)
        assert "This rule needs repair" in page, (values, field)
        assert f"<p><strong>{title}" in page, (values, field)
        assert f"({field}" not in page, (values, field)
        assert f"/rules/{rule.id}/edit?step={step}" in page, (values, field)
        assert f"/rules/{rule.id}/edit" not in viewer.get(f"/rules/{rule.id}").text
        opened = browser.post(f"/rules/{rule.id}/edit?step={step}", follow_redirects=True)
        assert opened.request.path.endswith(f"/{step}"), (values, field)
        assert f"({field}" not in browser.get(f"/rules/{rule.id}/test").text, values
    assert "(trigger_options" not in browser.get("/rules").text


def test_one_that_starts_nothing_shows_no_next_run(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.owner)
    good = make_rule(session, people.account, **NIGHTLY)
    gone = {"conditions": {"field": "gone", "operator": "eq", "value": 1}}
    broken = stored(session, people, NIGHTLY, gone)
    rows = browser.get("/rules").text.partition("<tbody")[2].split('<tr role="row" id="rule_')
    next_run = {row.partition('"')[0]: row.partition("Next run")[2].partition("</td>")[0] for row in rows}
    assert "<time" in next_run[str(good.id)]
    assert "<time" not in next_run[str(broken.id)]
    assert "Once repaired" in next_run[str(broken.id)]
    assert "Once it is repaired" in browser.get(f"/rules/{broken.id}").text


def test_its_planned_times_say_that_they_fail_and_cost_nothing(
    app: Flask, session: Session, people: People
) -> None:
    paid = ON_CLUSTERS | {"conditions": {"field": "gone", "operator": "eq", "value": 1}}
    broken = stored(session, people, NIGHTLY | ON_CLUSTERS, paid)
    first = (datetime.now(UTC) + timedelta(days=2)).date()
    address = f"/api/automation/calendar/?from={first}&to={first + timedelta(days=1)}"
    (run,) = program_of(app, session, people.owner).get(address).json["days"][0]["runs"]
    assert (run["automation_rule"], run["note"], run["credits"]) == (
        broken.id, "fails: the rule needs repair", 0,
    )  # fmt: skip


def test_a_run_that_is_planned_already_says_that_it_fails(
    app: Flask, session: Session, people: People
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=9)
    gone = {"conditions": {"field": "gone", "operator": "eq", "value": 1}}
    planned = {"cause": "schedule", "scheduled_at": soon}
    for rule in (stored(session, people, NIGHTLY, gone), make_rule(session, people.account, **NIGHTLY)):
        make_run(session, rule, "pending", **planned)
    session.commit()
    first = soon.date()
    address = f"/api/automation/calendar/?from={first}&to={first + timedelta(days=2)}"
    days = program_of(app, session, people.owner).get(address).json["days"]
    at = soon.isoformat().removesuffix("+00:00")
    notes = [run["note"] for day in days for run in day["runs"] if run["at"].startswith(at)]
    assert notes == ["fails: the rule needs repair", ""]


def test_no_page_offers_to_test_it(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.owner)
    keyword = session.scalars(select(Keyword.id)).one()
    gone = {"conditions": {"field": "gone", "operator": "eq", "value": 1}}
    broken = stored(session, people, NIGHTLY, gone)
    for address in (
        f"/why/keyword/{keyword}",
        f"/why/keyword/{keyword}/rule/{broken.id}",
        f"/rules/{broken.id}",
    ):
        assert f"/rules/{broken.id}/test" not in browser.get(address).text


LABELLED = [
    ("trigger_options.rule_id", "When", "Of which rule?"),
    ("trigger_options", "When", "Which change of status?"),
    ("record_minimum", "Which records", "Run only if at least this many match"),
    ("conditions.all[0].value", "Which records", "Conditions"),
    ("actions[1].params.rule_id", "Do what", "Action 2: This rule"),
    ("actions[0].when.not.value", "Do what", "Actions"),
    ("credit_limit_per_execution", "Limits", "Credits per run"),
    ("site", "Where", "Where may it work?"),
    ("name", "Name", "Name"),
]


@pytest.mark.parametrize(("path", "title", "label"), LABELLED)
def test_a_path_has_the_labels_of_the_form(path: str, title: str, label: str) -> None:
    (repair,) = repairs_of({path: ["It is wrong."]})
    assert (repair.step.title, repair.label, repair.sentence) == (title, label, "It is wrong.")


def test_none_is_accepted_when_it_is_saved_again(app: Flask, session: Session, people: People) -> None:
    api = program_of(app, session, people.owner)
    for base, values, field in STORED:
        answer = api.post(RULES, json={"schedule": {}} | base | {"name": "New"} | values)
        assert answer.status_code in (400, 422), (values, answer.text)
        if answer.status_code == 422:
            assert any(path.startswith(field) for path in answer.json["errors"]), (field, answer.json)
    assert api.get(RULES).json["results"] == []
