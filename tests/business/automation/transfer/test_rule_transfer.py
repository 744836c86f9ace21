"""Rules as files: a round trip changes nothing, references are names, imports are off, and files are not trusted."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AuditEntry, User
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.transfer.exporting import export_rules
from app.business.automation.services.transfer.importing import FileImport, apply_import, preview_import
from app.business.automation.services.transfer.templates import TEMPLATES
from app.business.automation.services.transfer.yaml_format import MOST_BYTES, read_rules
from app.business.errors import Invalid, TooLarge
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.factories import NOW, make_account, make_sector, make_site, make_user

TELL = {"type": "notify", "params": {"message": "Hi: “there”, {account.name} — no"}}
HI = "actions: [{type: notify, params: {message: x}}]"


@pytest.fixture
def source(session: Session) -> Sector:
    return furnished(session)


@pytest.fixture
def target(session: Session) -> Sector:
    """Another account in which everything is called the same, under other ids."""
    make_site(session, make_account(session), name="In between")
    return furnished(session)


def furnished(session: Session) -> Sector:
    account = make_account(session)
    sector = make_sector(session, make_site(session, account, name="Acme: pans & pots"), name="Pans")
    make_user(session, account, email=f"Mira+{account.id}@example.com")
    return sector


def account_of(session: Session, sector: Sector) -> Account:
    return session.get_one(Account, sector.account_id)


def text_of(session: Session, account: Account) -> str:
    rules = select(AutomationRule).where(AutomationRule.account_id == account.id).order_by(AutomationRule.id)
    return export_rules(session, Scope(account.id), list(session.scalars(rules)))


def take(session: Session, account: Account, text: str, **more: Any) -> FileImport:
    return apply_import(session, account, read_rules(text), Actor(None), NOW, **more)


def states(file_import: FileImport) -> list[str]:
    return [rule.state for rule in file_import.rules]


def saved(session: Session, account: Account) -> dict[str, Any]:
    """Name -> definition of the account's rules."""
    rules = session.scalars(select(AutomationRule).where(AutomationRule.account_id == account.id))
    return {rule.name: definition_of(rule) for rule in rules}


def test_a_round_trip_keeps_every_template(
    session: Session, machine: Machine, source: Sector, target: Sector
) -> None:
    here, there = account_of(session, source), account_of(session, target)
    for template in TEMPLATES:
        machine.make_rule(here, **template.definition("Asia/Tokyo").model_dump(mode="json"))
    file_import = take(session, there, text_of(session, here))
    assert set(states(file_import)) == {"new"}
    assert saved(session, there) == saved(session, here)
    again = take(session, there, text_of(session, here))
    assert set(states(again)) == {"unchanged"}


def test_names_stand_for_ids_everywhere(
    session: Session, machine: Machine, source: Sector, target: Sector
) -> None:
    here, there = account_of(session, source), account_of(session, target)
    person = f"Mira+{here.id}@example.com"
    user_id = session.scalars(select(User.id).where(User.email == person)).one()
    first = machine.make_rule(here, name="First: no", actions=[TELL])
    conditions = {"all": [
        {"field": "site", "operator": "eq", "value": source.site_id},
        {"any": [{"field": "sector", "operator": "in", "value": [source.id]},
                 {"field": "country", "operator": "eq", "value": "NO"}]},
        {"not": {"count": "idea", "where": {"field": "assignee", "operator": "eq", "value": user_id},
                 "operator": "gte", "value": 1}},
    ]}  # fmt: skip
    actions = [
        {"type": "update_records", "params": {"assignee": user_id, "note": "007"},
         "when": {"field": "site", "operator": "ne", "value": source.site_id}},
        {"type": "pause_rule", "params": {"rule_id": first.id, "site": source.site_id}},
    ]  # fmt: skip
    machine.make_rule(
        here, name="All", site=source.site_id, sector=source.id, conditions=conditions, actions=actions
    )
    machine.make_rule(
        here, name="After", trigger="run_finished", trigger_options={"rule_id": first.id}, actions=[TELL]
    )
    text = text_of(session, here)
    names = (
        "site: 'Acme: pans & pots'",
        "sector: Pans",
        person,
        "'Acme: pans & pots: Pans'",
        "rule_id: 'First: no'",
    )
    for name in names:
        assert name in text
    theirs = f"mira+{there.id}@example.com"
    file_import = take(session, there, text.replace(person, theirs))
    assert states(file_import) == ["new"] * 3
    found = saved(session, there)
    new_first = session.scalars(select(AutomationRule).filter_by(account_id=there.id, name="First: no")).one()
    assert new_first
    assert found["All"]["site"] == target.site_id
    assert found["All"]["sector"] == target.id
    assert found["All"]["conditions"]["all"][1]["any"][0]["value"] == [target.id]
    assert found["All"]["actions"][1]["params"]["rule_id"] == new_first.id
    assert found["After"]["trigger_options"] == {"rule_id": new_first.id}
    assert text_of(session, there) == text.replace(person, f"Mira+{there.id}@example.com")


def test_the_order_in_the_file_does_not_matter_except_in_a_cycle(session: Session, source: Sector) -> None:
    account = account_of(session, source)
    pausing = "{name: %s, trigger: keyword_added, actions: [{type: pause_rule, params: {rule_id: %s}}]}"
    last = f"{{name: C, trigger: keyword_added, {HI}}}"
    text = f"rules:\n- {pausing % ('A', 'B')}\n- {pausing % ('B', 'C')}\n- {last}\n"
    assert states(take(session, account, text)) == ["new"] * 3
    circle = take(session, account, f"rules:\n- {pausing % ('D', 'E')}\n- {pausing % ('E', 'D')}\n")
    assert states(circle) == ["refused"] * 2
    assert "in a circle" in circle.rules[0].errors["name"][0]


def test_a_changed_rule_is_a_new_version_switched_off_and_audited(
    session: Session, machine: Machine, source: Sector
) -> None:
    account = account_of(session, source)
    rule = machine.make_rule(account, name="Mine", priority=3)
    text = text_of(session, account)
    assert "is_active" not in text
    assert states(take(session, account, text)) == ["unchanged"]
    assert rule.is_active
    file_import = take(session, account, text.replace("priority: 3", "priority: 4"))
    assert states(file_import) == ["changed"]
    assert (rule.priority, rule.is_active, rule.version) == (4, False, 2)
    assert session.scalars(select(RuleVersion.version).order_by(RuleVersion.id)).all() == [1, 2]
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry
    assert (entry.action, entry.data) == ("rule.changed", {"version": 2, "imported": True})


def test_a_preview_writes_nothing(session: Session, machine: Machine, source: Sector) -> None:
    account = account_of(session, source)
    rule = machine.make_rule(account, name="Mine", priority=3)
    text = text_of(session, account).replace("priority: 3", "priority: 4")
    text += text_of(session, account).partition("rules:\n")[2].replace("name: Mine", "name: Another")
    before = session.scalars(select(AuditEntry.id)).all()
    looked = preview_import(session, account, read_rules(text), Actor(None), NOW)
    assert states(looked) == ["changed", "new"]
    session.expire_all()
    assert (rule.priority, rule.version) == (3, 1)
    assert list(saved(session, account)) == ["Mine"]
    assert session.scalars(select(AuditEntry.id)).all() == before
    assert take(session, account, text).fingerprint == looked.fingerprint


def test_an_unknown_site_is_refused_until_another_is_chosen(
    session: Session, machine: Machine, source: Sector, target: Sector
) -> None:
    here, there = account_of(session, source), account_of(session, target)
    in_sector = {"field": "sector", "operator": "eq", "value": source.id}
    machine.make_rule(here, name="R", site=source.site_id, sector=source.id, conditions=in_sector)
    text = text_of(session, here).replace("Acme: pans & pots", "Elsewhere")
    refused = take(session, there, text)
    assert refused.unknown_sites == ["Elsewhere"]
    assert refused.rules[0].errors["site"] == ["There is no site “Elsewhere” in this account."]
    foreign = take(session, there, text, sites_as={"Elsewhere": source.site_id})
    assert states(foreign) == ["refused"], "a site of another account is no choice"
    chosen = take(session, there, text, sites_as={"Elsewhere": target.site_id})
    assert states(chosen) == ["new"]
    assert saved(session, there)["R"]["conditions"]["value"] == target.id


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("{trigger: keyword_added}", "name"),
        ("just a word", "name"),
        ("{name: R}", "trigger"),
        (f"{{name: R, trigger: keyword_added, {HI}, colour: red}}", "colour"),
        ("{name: R, trigger: keyword_added, actions: [{type: dance}]}", "actions[0].type"),
        ("{name: R, trigger: keyword_added, actions: 7}", "actions"),
        (f"{{name: R, trigger: keyword_added, conditions: {{field: site, operator: eq, value: Nowhere}}, {HI}}}",
         "conditions.value"),
        ("{name: R, trigger: keyword_added, actions: [{type: update_records, params: {assignee: nobody@b.com}}]}",
         "actions[0].params.assignee"),
        (f"{{name: R, trigger: run_finished, trigger_options: {{rule_id: Gone}}, {HI}}}",
         "trigger_options.rule_id"),
        (f"{{name: R, trigger: keyword_added, priority: '5', {HI}}}", "priority"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named_by_its_place(
    session: Session, source: Sector, rule: str, path: str
) -> None:
    file_import = take(session, account_of(session, source), f"rules: [{rule}]")
    assert states(file_import) == ["refused"]
    assert path in file_import.rules[0].errors
    assert saved(session, account_of(session, source)) == {}


def test_two_of_one_name_are_refused(session: Session, machine: Machine, source: Sector) -> None:
    account = account_of(session, source)
    machine.make_rule(account, name="Same")
    text = text_of(session, account)
    first = text.split("- name: Same")[1]
    for other in ("Same", "SAME", "same\u200b"):
        assert states(take(session, account, f"{text}\n- name: {other}{first}")) == ["refused"] * 2


def test_a_rule_is_found_by_its_name_in_any_case(session: Session, machine: Machine, source: Sector) -> None:
    account = account_of(session, source)
    rule = machine.make_rule(account, name="Same  name")
    text = text_of(session, account).replace("Same  name", "SAME NAME")
    assert states(take(session, account, text)) == ["changed"]
    assert rule.name == "SAME NAME"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no list “rules”"),
        ("- 1", "no list “rules”"),
        ("rules: {a: 1}", "no list “rules”"),
        ("rules: []\nmore: 1", "Unknown key “more”"),
        ("format: 2\nrules: []", "reads format 1"),
        ("rules: [", "Line 1"),
        ("rules:\n- &a {name: x}\n- *a", "Line 2: Anchors"),
        ("rules: [!!python/object/apply:os.system ['true']]", "Line 1: Tags"),
        ("rules: [{name: x, name: y}]", "Line 1: “name” stands twice"),
        ("rules: [{7: x}]", "A key is a plain word"),
        ("rules: [{? [a] : b}]", "A key is a plain word"),
        ('rules: [{name: "\\0"}]', "cannot be stored"),
        ('rules: [{name: "\\ud800"}]', "cannot be stored"),
        ("rules: \x07", "does not know"),
        ("rules: " + "[" * 5000, "too deeply"),
    ],
)
def test_an_unsafe_file_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_rules(text)
    assert sentence in refused.value.message


def test_the_size_of_a_file_is_limited() -> None:
    with pytest.raises(TooLarge):
        read_rules("#" * (MOST_BYTES + 1))


def test_too_many_rules_are_refused_as_one(session: Session, source: Sector) -> None:
    with pytest.raises(Invalid, match="at most 200"):
        take(session, account_of(session, source), f"rules: [{', '.join(['{name: x}'] * 201)}]")


def test_a_message_that_looks_like_a_number_comes_back(
    session: Session, machine: Machine, source: Sector, target: Sector
) -> None:
    here, there = account_of(session, source), account_of(session, target)
    machine.make_rule(here, name="1e5", actions=[{"type": "notify", "params": {"message": "1e5"}}])
    assert states(take(session, there, text_of(session, here))) == ["new"]
    assert saved(session, there) == saved(session, here) | {
        "1e5": saved(session, here)["1e5"] | {"is_active": False}
    }


def test_a_number_with_a_leading_zero_is_not_octal() -> None:
    assert read_rules("rules: [{a: 08, b: 010}]") == [{"a": 8, "b": 10}]


def test_words_that_look_like_something_else_stay_words() -> None:
    text = "rules: [{a: NO, b: 12:30, c: 2027-03-01, d: on, e: 0x10, f: .nan, g: 1_000, h: '5', i: 1e3, j: true, k: ~}]"
    assert read_rules(text) == [
        {"a": "NO", "b": "12:30", "c": "2027-03-01", "d": "on", "e": "0x10", "f": ".nan", "g": "1_000", "h": "5",
         "i": 1000.0, "j": True, "k": None}
    ]  # fmt: skip


def test_the_service_checks_what_a_file_brings_like_everything_else(session: Session, source: Sector) -> None:
    account = account_of(session, source)
    service = AutomationService()
    times = {"trigger": "schedule", "schedule": {"cron": "* * * * *"}, "record_type": None}
    with pytest.raises(Invalid) as by_hand:
        service.create_rule(session, account, {"name": "R", "actions": [TELL]} | times, Actor(None), NOW)
    told = "trigger: schedule, schedule: {cron: '* * * * *'}, record_type: null"
    file_import = take(session, account, f"rules: [{{name: R, {told}, {HI}}}]")
    assert file_import.rules[0].errors == by_hand.value.errors
