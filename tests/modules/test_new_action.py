"""A new action type needs a declaration, a handler and one line of the registry, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.actions import provider_handlers
from app.business.automation.services.actions.handler import Work
from app.business.automation.services.catalogue.actions.base import ActionType, Measure, Params, started
from app.business.automation.services.catalogue.actions.effects import Effects
from app.business.automation.services.catalogue.actions.eligibility import IneligibilityReason
from app.business.automation.services.catalogue.actions.parameters import Ids, Input, RowId, ids_input, quoted
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.forecast.outlook import look_ahead
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.unit_receipts import Done, Unit
from app.business.events import Origin
from app.business.language_model import ProviderFault
from app.business.planner.models import Keyword, KeywordStatus, Sector
from app.business.planner.services.keyword_service import add_keyword
from app.business.writer.services.record_editors import update_record
from app.infrastructure.database import transaction
from app.infrastructure.messaging.automation_tasks import OPERATIONS
from app.infrastructure.messaging.engine import utc_now
from tests.business.automation.machine import Machine
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_rest import RULES, RUNS, execute
from tests.modules.rule_form_answers import DAILY, LIMITS, answer, begin
from tests.people import People, browser_of, make_people, program_of

TYPE = "survey_keywords"
NEW = {"record_type": "keyword", "record_minimum": "1"}


class SurveyKeywords(Params):
    keyword_ids: Annotated[Ids | None, ids_input("these keywords")] = None
    depth: Annotated[
        Literal["short", "long"],
        Input(
            "How thorough",
            words={"short": "At a glance"},
            phrase=lambda value, _type, _rules: f"{value} ones",
        ),
    ] = "short"
    question: Annotated[
        str,
        Field(min_length=1, max_length=400),
        Input(
            "Question", "You can name {text}.", template=True, several_lines=True, phrase=quoted("asking ")
        ),
    ]
    reader: Annotated[RowId | None, Input("Who reads it", names="person", more=True)] = None


class SurveyKeywordsAction(ActionType[SurveyKeywords]):
    """Asks searchers; each started 100 searches cost a credit."""

    key = TYPE
    label = "Survey the searchers"
    explanation = "Asks those who search what they look for."
    params = SurveyKeywords
    takes = ("keyword",)
    price_text = "1 credit for each started 100 searches"
    measure = Measure(Keyword.volume, 100, "the rarest keyword here, of {:,} searches,", "take rarer ones")
    local = False
    ids = ("keyword_ids",)
    statuses = (KeywordStatus.NEW,)
    refusal = IneligibilityReason("It is no news to anybody.", "is no news", "are no news")
    done = "surveyed"

    def price(self, params: SurveyKeywords, amount: int = 1, *, connected: bool | None = None) -> int:
        return started(amount, 100)

    def effects(self, params: SurveyKeywords, record_type: str | None) -> Effects:
        return Effects(takes=self.statuses, fields=("labels",), labels_added=("surveyed",))


@dataclass
class SurveyWork(Work):
    """Labels the keyword once its searchers have answered."""

    faults: list[ProviderFault] = field(default_factory=list)

    def read(self, session: Session, context: RunContext, unit: Unit) -> Any:
        return unit.step.params.question

    def work(self, request: Any, key: str) -> Any:
        if self.faults:
            raise self.faults.pop()
        return f"{request} Yes."

    def save(self, session: Session, context: RunContext, unit: Unit, answer: Any) -> Done:
        keyword = session.get_one(Keyword, unit.record_id)
        origin = context.origin(unit.step.index, unit.key)
        update_record(session, keyword, {"labels": ["surveyed"]}, origin=origin, now=context.now)
        credits = unit.step.entry.price(unit.step.params, keyword.volume, connected=True)
        return Done(credits=credits, message=answer)

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        pass


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> SurveyWork:
    """Registers the new type, as its file, its handler and its line of the registry would."""
    work = SurveyWork()
    monkeypatch.setitem(CATALOGUE, TYPE, SurveyKeywordsAction())
    monkeypatch.setitem(provider_handlers.HANDLERS, TYPE, lambda _model: work)
    return work


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session, granted_at=datetime.now(UTC))


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


@pytest.fixture
def editor(app: Flask, session: Session, people: People, work: SurveyWork) -> FlaskClient:
    return browser_of(app, session, people.editor)


@pytest.fixture
def api(app: Flask, session: Session, people: People, work: SurveyWork) -> FlaskClient:
    return program_of(app, session, people.editor)


@pytest.fixture
def machine(session: Session) -> Iterator[Machine]:
    machine = Machine(session, now=datetime.now(UTC) + timedelta(minutes=1))
    yield machine
    assert machine.breaches() == []


def survey(**params: Any) -> dict[str, Any]:
    return {"type": TYPE, "params": {"question": "Why {text}?"} | params}


def add_rule(api: FlaskClient, **values: Any) -> dict[str, Any]:
    body = {"name": "Ask them", "trigger": "keyword_added", "actions": [survey()]} | values
    made = api.post(RULES, json=body)
    assert made.status_code == 201, made.json
    shown: dict[str, Any] = made.json
    return shown


def test_the_form_asks_for_its_parameters_and_keeps_them(
    editor: FlaskClient, session: Session, people: People
) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "schedule"}), ("where", {"place": ""}), ("which", NEW))
    row = {"a0-type": TYPE, "a0-sent": TYPE, "a0-on_error": "stop", "change": "refresh"}
    page = editor.post(f"{draft}/do", data=row, follow_redirects=True).text
    for words in (
        "Survey the searchers",
        "How thorough",
        "At a glance",
        "You can name {text}.",
        "Who reads it",
    ):
        assert words in page, words
    assert "Only these keywords, by number" in page.partition("More options")[2]
    refused = editor.post(f"{draft}/do", data={name: row[name] for name in row if name != "change"})
    assert refused.status_code != 303, "the question is asked for"
    filled = {"a0-p-question": "Why {text}?", "a0-p-depth": "long", "a0-p-reader": str(people.owner.id)}
    row.pop("change")
    answer(editor, draft, ("do", row | filled), ("often", DAILY), ("limits", LIMITS))
    assert "survey the searchers (long ones, asking “Why {text}?”)" in editor.get(f"{draft}/check").text
    assert editor.post(f"{draft}/save", data={"on": "1"}).status_code == 303
    rule = session.scalars(select(AutomationRule)).one()
    assert rule.actions == [survey(depth="long", reader=people.owner.id)]
    again = editor.post(f"/rules/{rule.id}/edit?step=do").location
    assert "Why {text}?" in editor.get(again, follow_redirects=True).text


def test_the_api_describes_it_and_refuses_what_it_cannot_be(api: FlaskClient) -> None:
    shown = {entry["type"]: entry for entry in api.get("/api/automation/catalog/").json["actions"]}[TYPE]
    assert (shown["price"], shown["takes"]) == ("1 credit for each started 100 searches", ["keyword"])
    assert set(shown["params"]["properties"]) == set(SurveyKeywords.model_fields)
    wrong = survey(depth="deep", question="Why {nothing}?\x07")
    refused = api.post(RULES, json={"name": "Ask", "trigger": "keyword_added", "actions": [wrong]})
    assert (refused.status_code, "actions[0].params.depth" in refused.json["errors"]) == (422, True)
    wrong = survey(question="Why {nothing}?")
    refused = api.post(RULES, json={"name": "Ask", "trigger": "keyword_added", "actions": [wrong]})
    assert "{nothing}" in str(refused.json["errors"]["actions[0].params.question"])


@pytest.mark.both_databases
def test_it_is_priced_run_tried_again_and_explained(
    api: FlaskClient, session: Session, people: People, sector: Sector, work: SurveyWork, machine: Machine
) -> None:
    rare, much = (make_keyword(session, sector, volume=volume) for volume in (50, 250))
    old = make_keyword(session, sector, volume=900, status=KeywordStatus.IGNORED)
    session.commit()
    rule = session.get_one(AutomationRule, add_rule(api, credit_limit_per_execution=40)["id"])
    found = [rare.id, much.id, old.id]
    priced = api.post(f"{RULES}{rule.id}/price/", json={"record_ids": found}).json
    assert (priced["records"], priced["credits_max"]) == (2, 4)
    work.faults = [ProviderFault("refused", "Nobody answers.")]
    run = session.get_one(ScheduledTask, execute(api, rule, record_ids=found).json["id"])
    machine.settle()
    session.refresh(run)
    assert (run.status, run.credits_used) == ("failed", 3)
    assert "1 of 2 keywords surveyed; 1 failed: Nobody answers." in run.error_message
    retried = api.post(f"{RUNS}{run.id}/retry/", json={})
    assert retried.status_code == 202, retried.json
    machine.settle()
    session.refresh(run)
    assert (run.status, run.credits_used, run.result["summary"]) == ("completed", 4, "2 keywords surveyed.")
    assert {row.id for row in session.scalars(select(Keyword)) if row.labels == ["surveyed"]} == {
        rare.id,
        much.id,
    }
    answers = api.get(f"{RULES}{rule.id}/why/?record_id={old.id}").json
    assert "It is no news to anybody." in str(answers)


def test_the_check_before_its_start_knows_its_price_and_its_states(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    make_keyword(session, sector, volume=5_000)
    session.commit()
    ignored = {"field": "status", "operator": "eq", "value": "ignored"}
    body = {
        "name": "Dear",
        "trigger": "keyword_added",
        "actions": [survey()],
        "credit_limit_per_execution": 20,
    }
    shown = api.post(RULES, json=body | {"is_active": False}).json
    found = api.post(f"{RULES}{shown['id']}/preflight/", json={}).json["findings"]
    assert "Even the rarest keyword here, of 5,000 searches, costs 50 credits" in str(found)
    refused = api.post(RULES, json=body | {"name": "Idle", "conditions": ignored})
    assert (refused.status_code, "never has anything to do" in str(refused.json)) == (409, True)


def test_the_forecast_counts_what_waits_for_it(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    for _ in range(3):
        make_keyword(session, sector, volume=100)
    session.commit()
    add_rule(api, trigger="schedule", schedule={"cron": "0 3 * * *", "timezone": "UTC"})
    outlook = look_ahead(session, people.account, datetime.now(UTC))
    assert sum(outlook.forecast().uses.values()) > 0


def test_a_file_names_the_people_it_speaks_of(api: FlaskClient, session: Session, people: People) -> None:
    rule = add_rule(api, actions=[survey(reader=people.owner.id)], is_active=False)
    text = api.get(f"{RULES}export/?rule={rule['id']}").text
    assert people.owner.email in text
    body = {"yaml": text.replace("Ask them", "Ask others"), "dry_run": False}
    taken = api.post(f"{RULES}import/", json=body)
    assert taken.status_code == 200, taken.json
    copy = session.scalars(select(AutomationRule).where(AutomationRule.name == "Ask others")).one()
    assert copy.actions == [survey(depth="short", reader=people.owner.id)]


def test_it_is_tried_on_the_past(api: FlaskClient, session: Session, people: People, sector: Sector) -> None:
    at, origin = datetime.now(UTC) - timedelta(days=2), Origin(people.account.id)
    rare, much = (
        add_keyword(session, sector, {"text": text, "volume": volume}, origin=origin, now=at)
        for text, volume in (("iron pan", 50), ("steel pan", 250))
    )
    session.commit()
    rule = add_rule(api, is_active=False)
    asked = api.post(f"{RULES}{rule['id']}/back-test/", json={"days": 7})
    assert asked.status_code == 202, asked.json
    assert lifecycle.execute_next(transaction, OPERATIONS, utc_now)
    shown = api.get(asked.headers["Location"]).json
    (outcome,) = shown["result"]["outcomes"]
    assert (outcome["runs"], outcome["credits"]) == (2, 4)
    assert {record["id"] for record in outcome["sample"]} == {rare.id, much.id}
