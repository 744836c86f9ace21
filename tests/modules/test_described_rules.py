"""A rule described in a sentence: what the service is asked, and the draft that opens in the rule form."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, User
from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.conditions.nodes import Operator
from app.business.outlets.models import AiConnection
from app.business.outlets.services.ai_spending import this_month
from app.business.planner.models import Sector, Site
from app.infrastructure.database import db
from app.infrastructure.secret_box import SecretBox
from tests.factories import make_ai_connection, make_sector, make_site
from tests.infrastructure.chat_protocols import KEY, LLAMA_CPP_PYTHON, OPENAI, PLAIN, Reply, Service
from tests.infrastructure.chat_server import ChatServer, Handler, answers, hangs_up, says, serving
from tests.modules.test_ai_service import allowing
from tests.people import People, browser_of, make_people
from tests.sampling import times

PATH = "/rules/describe"
TEXT = "Every Monday at 9 group the new keywords of Garden with at least 100 searches, and tell the editors."
GROUP: dict[str, Any] = {
    "name": "Monday groups",
    "trigger": "schedule",
    "record_type": "keyword",
    "site": "garden",
    "sector": "Sheds",
    "conditions": [
        {"field": "status", "operator": "eq", "value": "new"},
        {"field": "volume", "operator": "gte", "value": 100},
    ],
    "actions": [
        {"type": "cluster_keywords", "settings": [{"name": "min_cluster_size", "value": 3}]},
        {
            "type": "notify",
            "settings": [{"name": "message", "value": "Grouped"}, {"name": "to", "value": "editor"}],
        },
    ],
    "cron": "0 9 * * 1",
}


@pytest.fixture
def people(session: Session) -> People:
    people = make_people(session)
    people.account.timezone = "Europe/Madrid"
    return people


@pytest.fixture
def site(session: Session, people: People) -> Site:
    return make_site(session, people.account, name="Garden")


@pytest.fixture
def sector(session: Session, site: Site) -> Sector:
    return make_sector(session, site, name="Sheds")


@pytest.fixture
def chat(
    app: Flask, session: Session, people: People, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChatServer]:
    """The account's service, on this machine; prices are one a token."""
    key = SecretBox.of(app.extensions["settings"]).seal(KEY)
    with serving(says(json.dumps(GROUP))) as chat:
        monkeypatch.setitem(app.extensions, "settings", allowing(app.extensions["settings"], chat))
        values = {"base_url": chat.url, "price_in": 1_000_000_000_000, "price_out": 1_000_000_000_000}
        make_ai_connection(session, people.account, api_key_sealed=key, **values)
        session.commit()
        yield chat


@pytest.fixture
def browser(app: Flask, session: Session, people: People, sector: Sector) -> FlaskClient:
    session.commit()
    return browser_of(app, session, people.editor)


def account_of(session: Session, person: User) -> Account:
    return session.get_one(Account, person.account_id)


def answering(chat: ChatServer, **changes: Any) -> None:
    chat.replies[:] = [says(json.dumps(GROUP | changes))]


def drafts(session: Session) -> list[RuleDraft]:
    session.expire_all()
    return list(session.scalars(select(RuleDraft)))


@pytest.mark.both_databases
@pytest.mark.parametrize("service", [OPENAI, LLAMA_CPP_PYTHON, PLAIN], ids=lambda service: service.name)
def test_a_sentence_becomes_a_draft_that_a_person_saves(
    session: Session, browser: FlaskClient, chat: ChatServer, sector: Sector, service: Service
) -> None:
    chat.replies[:] = [service.says(json.dumps(GROUP))]
    answer = browser.post(PATH, data={"text": TEXT})
    (draft,) = drafts(session)
    assert (answer.status_code, answer.location) == (303, f"/rules/drafts/{draft.id}/check?faults=1")
    assert session.scalars(select(AutomationRule)).all() == []
    page = browser.get(answer.location).text
    assert "nothing is saved. Look at each answer." in page
    assert "Still open" not in page
    browser.post(f"/rules/drafts/{draft.id}/save", data={})
    (rule,) = session.scalars(select(AutomationRule))
    assert (rule.name, rule.is_active, rule.description) == ("Monday groups", False, TEXT)
    assert (rule.trigger, rule.site_id, rule.sector_id) == ("schedule", sector.site_id, sector.id)
    assert rule.schedule == {"cron": "0 9 * * 1", "timezone": "Europe/Madrid"}
    assert rule.conditions == {"all": GROUP["conditions"]}
    assert [action["type"] for action in rule.actions] == ["cluster_keywords", "notify"]
    assert rule.actions[0]["params"] == {"min_cluster_size": 3}


def test_the_service_gets_the_sentence_as_data_and_only_what_its_author_may_see(
    app: Flask, session: Session, people: People, chat: ChatServer, site: Site
) -> None:
    hidden = make_site(session, people.account, name="Hidden garden")
    make_sector(
        session, make_site(session, account_of(session, people.stranger), name="Foreign"), name="Secret"
    )
    people.editor.sites_limited = True
    session.commit()
    browser = browser_of(app, session, people.owner)
    browser.post(PATH, data={"text": TEXT})
    instructions, facts = (message["content"] for message in chat.asked[0]["messages"])
    assert TEXT not in instructions
    told = json.loads(facts)
    assert told["text"] == TEXT
    assert told["sites"] == [{"name": "Garden", "sectors": ["Sheds"]}, {"name": hidden.name, "sectors": []}]
    assert set(told["fields"]["keyword"]) == set(fields_of("keyword"))
    assert [action["type"] for action in told["actions"]] == [*CATALOGUE]
    assert not {"keyword_ids", "cluster_ids"} & {
        name for action in told["actions"] for name in action["settings"]
    }


@pytest.mark.parametrize(
    ("changes", "step", "words"),
    [
        ({"conditions": [{"field": "shoe_size", "operator": "eq", "value": 4}]}, "which", "“Which records”"),
        ({"conditions": [{"field": "volume", "operator": "near", "value": 4}]}, "which", "“Which records”"),
        ({"actions": []}, "do", "“Do what”"),
        ({"actions": [{"type": "dance"}]}, "do", "“Do what”"),
        ({"cron": "99 9 * * 1"}, "often", "“How often”"),
        ({"trigger": "full_moon"}, "when", "“When”"),
        ({"runs_per_day": -4}, "limits", "“Limits”"),
    ],
)
def test_what_the_form_cannot_take_is_asked_again(
    session: Session, browser: FlaskClient, chat: ChatServer, changes: dict[str, Any], step: str, words: str
) -> None:
    answering(chat, **changes)
    answer = browser.post(PATH, data={"text": TEXT})
    (draft,) = drafts(session)
    assert answer.location == f"/rules/drafts/{draft.id}/{step}?faults=1"
    page = browser.get(answer.location, follow_redirects=True).text
    assert f"Still open: {words}" in page
    browser.post(f"/rules/drafts/{draft.id}/save", data={"on": "1"})
    assert session.scalars(select(AutomationRule)).all() == []


def test_foreign_and_unknown_places_are_left_out(
    session: Session, browser: FlaskClient, chat: ChatServer, people: People
) -> None:
    make_site(session, account_of(session, people.stranger), name="Foreign")
    session.commit()
    answering(chat, site="Foreign", sector="Sheds")
    browser.post(PATH, data={"text": TEXT})
    (draft,) = drafts(session)
    browser.post(f"/rules/drafts/{draft.id}/save", data={})
    (rule,) = session.scalars(select(AutomationRule))
    assert (rule.site_id, rule.sector_id) == (None, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"site": "Nowhere"}, "There is no site “Nowhere”."),
        ({"sector": "Nowhere"}, "The site “Garden” has no sector “Nowhere”."),
        (
            {
                "actions": [
                    {"type": "cluster_keywords", "settings": [{"name": "min_cluster_size", "value": "few"}]}
                ]
            },
            "“Group keywords into clusters” does not take &#34;few&#34; as “min_cluster_size”.",
        ),
        ({"actions": [{"type": "notify", "settings": [{"name": "colour", "value": 1}]}]}, "as “colour”."),
        ({"not_possible": ["Fewer than 5 letters (n < 5) & more."]}, "(n &lt; 5) &amp; more."),
    ],
)
def test_what_is_not_in_the_draft_is_named(
    session: Session, browser: FlaskClient, chat: ChatServer, changes: dict[str, Any], sentence: str
) -> None:
    answering(chat, **changes)
    answer = browser.post(PATH, data={"text": TEXT})
    page = browser.get(answer.location).text
    assert "Not in the draft: " in page
    assert sentence in page
    (draft,) = drafts(session)
    noted = browser.get(f"/rules/drafts/{draft.id}/name").text
    assert sentence in noted, "it stays in the note"


def test_a_name_that_is_taken_gets_a_number(session: Session, browser: FlaskClient, chat: ChatServer) -> None:
    for name in ("Monday groups", "Monday groups (2)"):
        browser.post(PATH, data={"text": TEXT})
        (draft,) = drafts(session)
        browser.post(f"/rules/drafts/{draft.id}/save", data={})
        assert session.scalars(select(AutomationRule.name).order_by(AutomationRule.id.desc())).first() == name
    answering(chat, name="")
    browser.post(PATH, data={"text": TEXT})
    (draft,) = drafts(session)
    assert ["name", "Described rule"] in draft.steps["name"]


@pytest.mark.parametrize(
    ("reply", "words", "counts"),
    [(answers(401), "does not accept our key", False), (answers(503), "Nothing was drafted", False),
     (hangs_up, "broke off", True), (says("I would rather not."), "cannot be used, twice", True),
     (says("{}"), "cannot be used, twice", True), (says('{"trigger": 7}'), "cannot be used, twice", True)],
)  # fmt: skip
def test_a_service_that_fails_keeps_the_text_and_says_why(
    session: Session,
    browser: FlaskClient,
    chat: ChatServer,
    people: People,
    reply: Reply,
    words: str,
    counts: bool,
) -> None:
    chat.replies[:] = [reply]
    page = browser.post(PATH, data={"text": TEXT, "request_key": "one"})
    assert page.status_code == 422
    assert words in page.text
    assert TEXT in page.text
    assert drafts(session) == []
    spend = this_month(session, people.account, datetime.now(UTC))
    assert spend
    assert (spend.held, spend.spent > 0) == (0, counts)


def test_it_counts_against_the_months_limit_and_is_refused_beyond_it(
    session: Session, browser: FlaskClient, chat: ChatServer, people: People
) -> None:
    browser.post(PATH, data={"text": TEXT})
    spend = this_month(session, people.account, datetime.now(UTC))
    assert spend
    assert (spend.tokens_in, spend.tokens_out, spend.held) == (12, 34, 0)
    assert spend.spent == 46_000_000
    session.execute(update(AiConnection).values(monthly_limit=spend.spent + 1))
    session.commit()
    page = browser.post(PATH, data={"text": TEXT})
    assert page.status_code == 422
    assert "does not allow this" in page.text
    assert len(chat.asked) == 1


def test_no_transaction_is_open_while_the_service_writes(
    session: Session, browser: FlaskClient, chat: ChatServer
) -> None:
    written, engine = [], db.engine

    def reply(handler: Handler) -> None:
        with engine.connect() as connection:
            wait = "PRAGMA busy_timeout=200" if engine.dialect.name == "sqlite" else "SET lock_timeout = 200"
            connection.execute(text(wait))
            connection.execute(text("UPDATE account SET name = 'Written meanwhile'"))
            connection.commit()
        written.append(True)
        says(json.dumps(GROUP))(handler)

    chat.replies[:] = [reply]
    assert browser.post(PATH, data={"text": TEXT, "request_key": "one"}).status_code == 303
    assert written == [True]


def test_it_is_drafted_once_however_often_it_is_sent(
    session: Session, browser: FlaskClient, chat: ChatServer
) -> None:
    first = browser.post(PATH, data={"text": TEXT, "request_key": "one"})
    again = browser.post(PATH, data={"text": TEXT, "request_key": "one"})
    assert first.location == again.location
    assert (len(drafts(session)), len(chat.asked)) == (1, 1)


@pytest.mark.parametrize(("typed", "words"), [("  ", "Enter what the rule"), ("x" * 2_001, "at most 2,000")])
def test_what_is_no_description_asks_nobody(
    browser: FlaskClient, chat: ChatServer, typed: str, words: str
) -> None:
    page = browser.post(PATH, data={"text": typed})
    assert page.status_code == 422
    assert words in page.text
    assert chat.asked == []


def test_without_a_service_nothing_offers_it_and_the_page_says_why(
    app: Flask, session: Session, browser: FlaskClient, people: People
) -> None:
    for path in ("/rules/new", "/rules/templates"):
        assert PATH not in browser.get(path).text
    page = browser.get(PATH).text
    assert "An owner can connect it; until then start from a template." in page
    assert browser.post(PATH, data={"text": TEXT}).status_code == 409
    assert "/ai-service" in browser_of(app, session, people.owner).get(PATH).text


def test_with_one_it_is_offered(browser: FlaskClient, chat: ChatServer) -> None:
    for path in ("/rules/new", "/rules/templates"):
        assert PATH in browser.get(path).text


VALUES = (None, "", "lamp", "7d", 0, -1, 5, 1.5, True, [], ["a", "b"], [1, 2], "💡", "x" * 400, "2026-02-30")


def some(random: Random, known: list[str]) -> str:
    return random.choice([*known, *known, "nothing", ""])


def answer_of(random: Random) -> dict[str, Any]:
    """What a service may answer: words of rules in any order, and words that there are not."""
    fields = [*fields_of(random.choice(["keyword", "cluster", "idea", "task", "content", None]))]
    settings = [name for entry in CATALOGUE.values() for name in entry.params.model_fields]

    def setting() -> dict[str, Any]:
        return {"name": some(random, settings), "value": random.choice(VALUES)}

    return {
        "name": random.choice(["", "A rule", "x" * 255, "\u202e\0rule"]),
        "trigger": some(random, [*TRIGGERS]),
        "trigger_settings": [
            {"name": some(random, ["to", "record_type", "rule_id", "status"]), "value": random.choice(VALUES)}
            for _ in range(random.randint(0, 2))
        ],
        "record_type": random.choice([None, "keyword", "cluster", "content", "rule"]),
        "site": random.choice([None, "Garden", "Nowhere"]),
        "sector": random.choice([None, "Sheds", "Nowhere"]),
        "match": random.choice(["all", "any"]),
        "conditions": [
            {
                "field": some(random, fields),
                "operator": some(random, [*Operator]),
                "value": random.choice(VALUES),
            }
            for _ in range(random.randint(0, 3))
        ],
        "actions": [
            {
                "type": some(random, [*CATALOGUE]),
                "settings": [setting() for _ in range(random.randint(0, 3))],
            }
            for _ in range(random.randint(0, 3))
        ],
        "cron": random.choice([None, "", "0 9 * * *", "* * * * *", "0 0 31 2 *", "x"]),
        "time_zone": random.choice([None, "Europe/Madrid", "Mars/Base"]),
        "runs_per_day": random.choice([None, 0, 5, 10**30]),
        "credits_per_run": random.choice([None, -1, 100]),
    }


@pytest.mark.parametrize("seed", range(times(full=300, sample=8)))
def test_whatever_a_service_answers_opens_in_the_form(
    session: Session, browser: FlaskClient, chat: ChatServer, seed: int
) -> None:
    """Each step can be opened, and saving ends as a rule or as a question, never as a breakdown."""
    answering(chat, **answer_of(Random(seed)))
    answer = browser.post(PATH, data={"text": TEXT})
    (draft,) = drafts(session)
    assert browser.get(answer.location, follow_redirects=True).status_code == 200
    for step in ("when", "where", "which", "do", "often", "limits", "check"):
        assert browser.get(f"/rules/drafts/{draft.id}/{step}", follow_redirects=True).status_code == 200
    assert browser.post(f"/rules/drafts/{draft.id}/save", data={}).status_code in (303, 422)
