"""The pages of accounts in which a second person approves what makes a rule act."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.rules.versions import definition_of
from app.modules.access import permission_of
from tests.factories import make_site, make_user
from tests.modules.automation_pages import ON_KEYWORDS, counted, make_rule
from tests.modules.automation_rest import RULES, rule_body
from tests.modules.rule_changes import change as change_rule
from tests.modules.rule_form_answers import LIMITS, up_to_check
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

LABELS = ON_KEYWORDS | {"schedule": {}, "conditions": {}}
CHANGES = "/api/automation/rule-changes/"
SETTINGS = {"name": "A", "timezone": "UTC", "operator_credit_limit": "100"}
LIVE, OFF, PRACTISING = dict[str, Any](), {"is_active": False}, {"mode": "shadow"}


@pytest.fixture
def people(session: Session) -> People:
    people = make_people(session)
    people.account.rule_approval_required = True
    session.commit()
    return people


@pytest.fixture
def editor(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.editor)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def made(session: Session, people: People, **values: Any) -> AutomationRule:
    """A rule as it was before the account asked for a second person."""
    people.account.rule_approval_required = False
    rule = make_rule(session, people.account, **LABELS | values)
    people.account.rule_approval_required = True
    session.commit()
    return rule


def with_second(session: Session, rule: AutomationRule) -> AutomationRule:
    """A second version, which took less, so that nobody had to approve it."""
    change_rule(session, rule, None, max_executions_per_day=3)
    return rule


def waiting(session: Session) -> list[RuleChange]:
    session.expire_all()
    return list(session.scalars(select(RuleChange).where(RuleChange.state == "waiting")))


def edited(editor: FlaskClient, rule: AutomationRule, **sent: str) -> Any:
    """The rule's form, with a higher daily limit, to its last button."""
    draft = editor.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    limits = LIMITS | {"max_executions_per_day": "77"}
    assert editor.post(f"{draft}/limits", data=limits).status_code == 303
    return editor.post(f"{draft}/save", data={"on": "1"} | sent)


def test_a_change_is_asked_for_decided_and_told(
    editor: FlaskClient, owner: FlaskClient, session: Session, people: People
) -> None:
    rule = made(session, people)
    draft = editor.post(f"/rules/{rule.id}/edit").location
    assert "Save and switch on" in editor.get(draft).text, "nothing is changed yet, so nobody need approve it"
    assert edited(editor, rule, note="More at Christmas.").location == f"/rules/{rule.id}"
    (change,) = waiting(session)
    assert (rule.version, rule.max_executions_per_day, change.note) == (1, 10, "More at Christmas.")
    page = editor.get(f"/rules/{rule.id}").text
    assert "Sent for approval." in page
    assert f'href="/rules/changes/{change.id}"' in page
    assert "Change waits" in editor.get("/rules").text
    mine, theirs = (browser.get(f"/rules/changes/{change.id}").text for browser in (editor, owner))
    assert "Withdraw" in mine
    assert "Somebody else must decide" in mine
    assert "Approve" in theirs
    assert "Send back" in theirs
    assert "More at Christmas." in theirs
    assert re.search(r"Runs per day.*?10.*?77", theirs, re.DOTALL)
    work = owner.get("/my-work?list=changes").text
    assert f"/rules/changes/{change.id}" in work
    assert "No change of a rule waits for you" in editor.get("/my-work?list=changes").text
    assert 'class="menu-count">1' in work or re.search(r"My work.{0,200}?>1<", work, re.DOTALL)
    assert owner.post(f"/rules/changes/{change.id}/send-back", data={"reason": " "}).status_code == 422
    assert editor.post(f"/rules/changes/{change.id}/approve").status_code == 403
    assert owner.post(f"/rules/changes/{change.id}/approve").location == f"/rules/{rule.id}"
    session.expire_all()
    assert (rule.version, rule.max_executions_per_day, rule.updated_by_id) == (2, 77, people.editor.id)
    assert owner.post(f"/rules/changes/{change.id}/approve").status_code == 409
    assert "was approved" in editor.get("/notices").text
    audit = owner.get("/audit").text
    assert "asked for approval of" in audit
    assert audit.count("Runs per day") == 3


def test_what_was_sent_back_is_proposed_anew(
    editor: FlaskClient, owner: FlaskClient, session: Session, people: People
) -> None:
    rule = made(session, people)
    edited(editor, rule)
    (change,) = waiting(session)
    owner.post(f"/rules/changes/{change.id}/send-back", data={"reason": "Too many a day."})
    page = editor.get(f"/rules/changes/{change.id}").text
    assert "Too many a day." in page
    assert "Propose it anew" in page
    assert f"/rules/changes/{change.id}" in editor.get(f"/rules/{rule.id}").text, "where notices lead"
    draft = editor.post(f"/rules/changes/{change.id}/anew").location
    assert "Ask for approval" in editor.get(draft).text
    assert editor.post(draft.replace("check", "save"), data={"on": "1"}).status_code == 303
    (again,) = waiting(session)
    assert again.definition["max_executions_per_day"] == 77
    assert editor.post(f"/rules/changes/{again.id}/withdraw").status_code == 303
    assert waiting(session) == []


WAYS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "automation.switch": (OFF, "/rules/{}/switch", {"on": "1"}),
    "automation.end_practice": (PRACTISING, "/rules/{}/real", {"version": "1"}),
    "automation.restore_version": (LIVE, "/rules/{}/versions/1/restore", {}),
    "automation.run_now": (OFF, "/rules/{}/run", {"how": "matching", "even_if_off": "y"}),
}
"""Forms that send the whole change themselves; the rule form is tried above. endpoint -> rule, address, form."""
CALLS: dict[str, tuple[dict[str, Any], str, str, dict[str, Any]]] = {
    "automation_api.replace_rule": (LIVE, "PUT", "{}/", rule_body(name="Replaced", priority=1)),
    "automation_api.change_rule": (PRACTISING, "PATCH", "{}/", {"mode": "live"}),
    "automation_api.enable_rule": (OFF, "POST", "{}/enable/", {}),
    "automation_api.restore_version": (LIVE, "POST", "{}/versions/1/restore/", {}),
    "automation_api.execute_rule": (OFF, "POST", "{}/execute/", {"even_if_off": True}),
    "automation_api.create_rule": (LIVE, "POST", "", rule_body()),
}


def test_no_address_makes_a_rule_act_for_one_alone(
    app: Flask, editor: FlaskClient, session: Session, people: People
) -> None:
    """Every form and call that may change rules, whatever it sends: what acts is what acted before."""
    program = program_of(app, session, people.owner)
    done = {}
    for endpoint, (kind, path, form) in WAYS.items():
        rule = (
            with_second(session, made(session, people))
            if "version" in path
            else made(session, people, **kind)
        )
        before = acting(session)
        done[endpoint] = editor.post(path.format(rule.id), data=form).status_code
        assert acting(session) == before, endpoint
    for endpoint, (kind, method, path, body) in CALLS.items():
        rule = (
            with_second(session, made(session, people))
            if "version" in path
            else made(session, people, **kind)
        )
        before = acting(session)
        done[endpoint] = program.open(RULES + path.format(rule.id), method=method, json=body).status_code
        assert acting(session) == before, endpoint
    assert session.scalars(select(ScheduledTask.id)).all() == []
    assert {endpoint for endpoint, status in done.items() if status not in (303, 202)} == {
        "automation.run_now", "automation_api.execute_rule",
    }, done  # fmt: skip
    assert len(waiting(session)) == len(done) - 2


def acting(session: Session) -> dict[int, Any]:
    """What runs of the live rules would do: the version that each of them has now."""
    session.expire_all()
    live = [
        rule for rule in session.scalars(select(AutomationRule)) if rule.is_active and rule.mode == "live"
    ]
    stored = select(RuleVersion.definition)
    return {
        rule.id: session.scalars(
            stored.where(RuleVersion.rule_id == rule.id, RuleVersion.version == rule.version)
        ).one()
        for rule in live
    }


MAKES_NO_RULE_ACT = {
    "automation.approve_change": "a second person",
    "automation.archive": "the rule stops",
    "automation.begin_draft_past": "a trial of a draft, which writes a report",
    "automation.begin_rule": "a draft", "automation.discard": "a draft", "automation.edit_rule": "a draft",
    "automation.draft_described": "a draft", "automation.keep": "a draft", "automation.preview": "a draft",
    "automation.propose_anew": "a draft", "automation.use_template": "a draft",
    "automation.copy_rule": "the copy is off",
    "automation.end_practice": "", "automation.restore_version": "", "automation.save": "", "automation.switch": "",
    "automation.go_on": "runs of rules as they are", "automation.pause_all": "runs wait",
    "automation.resume_all_now": "runs of rules as they are", "automation.take_existing": "a rule that is on",
    "automation.import_rules": "an upload", "automation.take_import": "what it changes is switched off",
    "automation.mute_incident": "an incident", "automation.unmute_incident": "an incident",
    "automation.release_set_aside": "records of a rule as it is",
    "automation.restore": "the rule comes back switched off",
    "automation.send_back_change": "a change that waits", "automation.withdraw_change": "a change that waits",
    "automation_api.approve_rule_change": "a second person",
    "automation_api.send_back_rule_change": "a change that waits",
    "automation_api.withdraw_rule_change": "a change that waits",
    "automation_api.archive_rule": "the rule stops", "automation_api.disable_rule": "the rule stops",
    "automation_api.copy_rule": "the copy is off", "automation_api.end_pause": "runs of rules as they are",
    "automation_api.give_back": "records of a rule as it is",
    "automation_api.import_rules": "what it changes is switched off",
    "automation_api.mute_incident": "an incident", "automation_api.unmute_incident": "an incident",
    "automation_api.pause": "runs wait", "automation_api.restore_rule": "the rule comes back switched off",
}  # fmt: skip
"""Why no second person is asked there; without words: asked, as is tried in this file."""


def test_every_address_for_editors_is_tried_or_has_a_reason(app: Flask) -> None:
    with app.app_context():
        found = {
            rule.endpoint
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith(("automation.", "automation_api."))
            and (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
            and (needed := permission_of(rule.endpoint)) is not None
            and needed.role == Role.EDITOR
        }
    tried = {*WAYS, *CALLS, "automation.save"}
    assert found <= tried | {name for name, why in MAKES_NO_RULE_ACT.items() if why}
    assert {name for name, why in MAKES_NO_RULE_ACT.items() if not why} <= tried
    assert MAKES_NO_RULE_ACT.keys() <= found


def test_a_new_rule_waits_switched_off_and_may_practise_at_once(
    editor: FlaskClient, session: Session, people: People
) -> None:
    draft = up_to_check(editor)
    assert "Ask for approval" in editor.get(f"{draft}/check").text
    assert editor.post(f"{draft}/save", data={"on": "1"}).status_code == 303
    rule = session.scalars(select(AutomationRule)).one()
    assert (rule.is_active, [change.kind for change in waiting(session)]) == (False, ["switch_on"])
    rule.name = "The first"
    session.commit()
    draft = up_to_check(editor)
    assert editor.post(f"{draft}/name", data={"name": "Tries it"}).status_code == 303
    editor.post(f"{draft}/save", data={"on": "1", "practice": "y"})
    rule = session.scalars(select(AutomationRule).where(AutomationRule.name == "Tries it")).one()
    assert (rule.is_active, rule.mode, rule.version) == (True, "shadow", 1)


def test_somebody_elses_change_is_not_pushed_aside(
    editor: FlaskClient, owner: FlaskClient, session: Session, people: People
) -> None:
    rule = made(session, people)
    edited(editor, rule)
    answer = edited(owner, rule)
    assert answer.status_code == 409
    assert "Another change of this rule waits for approval already" in answer.text
    assert len(waiting(session)) == 1


def test_what_cannot_be_saved_any_more_is_refused_beside_the_change(
    editor: FlaskClient, owner: FlaskClient, session: Session, people: People
) -> None:
    rule = made(session, people, **OFF)
    draft = editor.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    assert editor.post(f"{draft}/name", data={"name": "Taken"}).status_code == 303
    editor.post(f"{draft}/save", data={"on": "1"})
    (change,) = waiting(session)
    made(session, people, name="Taken", **OFF)
    answer = owner.post(f"/rules/changes/{change.id}/approve")
    assert answer.status_code == 422
    assert "Another rule is called “Taken” already" in answer.text
    assert len(waiting(session)) == 1


def test_the_option_needs_two_and_ends_what_waits(
    app: Flask, owner: FlaskClient, editor: FlaskClient, session: Session, people: People
) -> None:
    rule = made(session, people)
    edited(editor, rule)
    (change,) = waiting(session)
    page = owner.get("/settings").text
    assert "Now 1 change waits: if you switch this off, none of it is applied" in page
    assert owner.post("/settings", data=SETTINGS).status_code == 303
    session.expire_all()
    assert (change.state, rule.version, people.account.rule_approval_required) == ("withdrawn", 1, False)
    assert "The account asks for no second person any more" in editor.get(f"/rules/changes/{change.id}").text
    people.editor.is_active = False
    session.commit()
    refused = owner.post("/settings", data=SETTINGS | {"rule_approval_required": "y"})
    assert (refused.status_code, "Nobody could approve" in refused.text) == (422, True)
    make_user(session, people.account, Role.EDITOR)
    session.commit()
    assert owner.post("/settings", data=SETTINGS | {"rule_approval_required": "y"}).status_code == 303


def test_people_of_other_sites_find_nothing(
    app: Flask, editor: FlaskClient, session: Session, people: People
) -> None:
    north, south = make_site(session, people.account), make_site(session, people.account)
    rule = made(session, people, site=north.id)
    edited(editor, rule)
    (change,) = waiting(session)
    of_south = make_user(session, people.account, Role.EDITOR, site_ids=[south.id])
    session.commit()
    other = browser_of(app, session, of_south)
    assert other.get(f"/rules/changes/{change.id}").status_code == 404
    assert other.post(f"/rules/changes/{change.id}/approve").status_code == 404
    assert "No change of a rule waits for you" in other.get("/my-work?list=changes").text


def test_accounts_without_the_option_ask_nothing_more(
    app: Flask, owner: FlaskClient, session: Session, people: People
) -> None:
    rule = made(session, people)
    people.account.rule_approval_required = False
    session.commit()
    for page in ("/rules", f"/rules/{rule.id}", "/", "/my-work"):
        owner.get(page)
        with counted() as statements:
            owner.get(page)
        assert not [one for one in statements if "rule_change" in str(one)], page
    assert definition_of(rule)["is_active"]


def test_programs_propose_and_people_decide(
    app: Flask, owner: FlaskClient, session: Session, people: People
) -> None:
    """A key is no second person, whoever has created it."""
    rule = made(session, people)
    proposes, other = program_of(app, session, people.editor), program_of(app, session, people.owner)
    answer = proposes.patch(f"{RULES}{rule.id}/", json={"max_executions_per_day": 77})
    said = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (202, said["url"])
    assert (said["rule"], said["state"], said["kind"], said["by_key"]) == (rule.id, "waiting", "change", True)
    assert said["changes"] == [{"field": "Runs per day", "before": "10", "after": "77", "kind": "changed"}]
    listed = other.get(f"{CHANGES}?state=waiting&rule={rule.id}").get_json()["results"]
    assert [one["id"] for one in listed] == [said["id"]]
    for verb in ("approve", "send-back"):
        refused = other.post(f"{said['url']}{verb}/", json={"reason": "No"} if verb == "send-back" else None)
        assert (refused.status_code, "A key is no second person" in refused.text) == (403, True)
    assert other.post(f"{said['url']}withdraw/").status_code == 403
    # Signed in, the owner is one.
    assert owner.post(f"{said['url']}approve/", headers={"If-Match": '"another"'}).status_code == 412
    assert owner.post(f"{said['url']}approve/").get_json()["state"] == "approved"
    session.expire_all()
    assert (rule.max_executions_per_day, rule.updated_by_id) == (77, people.editor.id)
    lowered = proposes.patch(f"{RULES}{rule.id}/", json={"max_executions_per_day": 3})
    assert (lowered.status_code, lowered.get_json()["max_executions_per_day"]) == (200, 3)
    answer = proposes.post(RULES, json=rule_body())
    made_rule = session.get_one(AutomationRule, answer.get_json()["rule"])
    assert (answer.status_code, made_rule.is_active) == (202, False)
    assert proposes.post(f"{answer.get_json()['url']}withdraw/").get_json()["state"] == "withdrawn"
    # Whether somebody must approve at all is nothing that a key decides.
    assert other.patch("/api/accounts/settings/", json={"rule_approval_required": False}).status_code == 422


@pytest.mark.parametrize(
    ("text", "said"),
    [("a\x00b", "It holds a control character."), ("x" * 2001, "at most 2,000 are allowed")],
    ids=["control character", "too long"],
)
def test_notes_and_reasons_are_refused_in_words(
    editor: FlaskClient, owner: FlaskClient, session: Session, people: People, text: str, said: str
) -> None:
    rule = made(session, people)
    draft = editor.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    assert editor.post(f"{draft}/limits", data=LIMITS | {"max_executions_per_day": "77"}).status_code == 303
    off, practising = made(session, people, name="Off", **OFF), made(session, people, name="P", **PRACTISING)
    asked = {
        f"{draft}/save": {"on": "1"},
        f"/rules/{off.id}/switch": {"on": "1"},
        f"/rules/{practising.id}/real": {"version": str(practising.version)},
    }
    for address, sent in asked.items():
        answer = editor.post(address, data=sent | {"note": text})
        assert (answer.status_code, said in answer.text) == (422, True), address
    assert not waiting(session)
    assert edited(editor, rule).status_code == 303
    (change,) = waiting(session)
    answer = owner.post(f"/rules/changes/{change.id}/send-back", data={"reason": text})
    assert (answer.status_code, "reason-error" in answer.text) == (422, True)
    assert waiting(session) == [change]
