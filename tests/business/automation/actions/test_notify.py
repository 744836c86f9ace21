"""Notices to roles, persons and addresses: in the console, and by mail through the outbox."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice, Role, User
from app.business.accounts.services.notice_choices import NoticeKind, Way, choose
from app.business.accounts.services.notices import notices_page
from app.business.automation.models import AutomationRule
from app.business.outlets.mail_models import Mail
from app.business.outlets.services import mails, refusals
from tests.business.automation.machine import Machine
from tests.factories import make_keyword, make_sector, make_site, make_user
from tests.modules.automation_rest import RULES
from tests.modules.rule_form_answers import answer
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session, valkey: Redis) -> People:
    return make_people(session)


@pytest.fixture
def machine(session: Session) -> Machine:
    return Machine(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


def notify(**params: Any) -> dict[str, Any]:
    return {"type": "notify", "params": {"message": "Look at {text}"} | params}


def run(machine: Machine, people: People, **params: Any) -> Any:
    rule = machine.make_rule(people.account, name="Tell", actions=[notify(**params)])
    sector = make_sector(machine.session, make_site(machine.session, people.account))
    return machine.run_now(rule, record_ids=[make_keyword(machine.session, sector, text="shoes").id])


def mailed(session: Session) -> list[str]:
    return sorted(session.scalars(select(Mail.address)))


@pytest.mark.both_databases
def test_nobody_named_means_editors_and_owners_by_mail(
    session: Session, machine: Machine, people: People
) -> None:
    done = run(machine, people, email=True)
    assert mailed(session) == sorted([people.editor.email, people.owner.email])
    [entry] = session.scalars(select(Mail.entries)).first() or []
    assert (entry["title"], entry["text"], entry["path"]) == (
        "Tell (1 keyword)", "Look at shoes", f"/runs/{done.id}"
    )  # fmt: skip
    assert session.scalars(select(Notice.role)).all() == ["editor"], "the console tells the same people"
    assert done.result["summary"] == "Notice sent, with mail to 2 addresses."


def test_without_email_no_mail_is_written(session: Session, machine: Machine, people: People) -> None:
    run(machine, people, to="owner")
    assert (mailed(session), session.scalars(select(Notice.role)).all()) == ([], ["owner"])


def test_roles_persons_and_addresses_get_it_once_each(
    session: Session, machine: Machine, people: People
) -> None:
    people.operator.is_active = False
    named = ["owner", people.viewer.id, people.owner.id, "boss@example.com", "BOSS@example.com",
             people.viewer.email.upper(), people.operator.email]  # fmt: skip
    run(machine, people, to=named, email=True)
    assert mailed(session) == sorted(["boss@example.com", people.owner.email, people.viewer.email])
    told = session.execute(select(Notice.role, Notice.user_id)).all()
    assert sorted(map(str, told)) == sorted(["('owner', None)", f"(None, {people.viewer.id})"])


def test_who_unsubscribed_gets_no_mail_and_still_sees_the_notice(
    session: Session, machine: Machine, people: People
) -> None:
    refusals.refuse(session, people.account.id, people.owner.email, NoticeKind.RULE, machine.now)
    done = run(machine, people, to="owner", email=True)
    assert (mailed(session), done.status) == ([], "completed")
    assert session.scalars(select(Notice.role)).all() == ["owner"]


def test_further_notices_of_an_hour_are_gathered(session: Session, machine: Machine, people: People) -> None:
    for _ in range(3):
        run(machine, people, to="owner", email=True)
    assert len(session.scalars(select(Mail)).all()) == 1
    assert mails.take_next(session, machine.now)
    run(machine, people, to="owner", email=True)
    first, second = session.scalars(select(Mail).order_by(Mail.id))
    assert (len(first.entries), len(second.entries)) == (3, 1)
    assert second.next_at is not None
    assert (second.next_at - machine.now).total_seconds() > 3500


@pytest.mark.parametrize(
    "to",
    ["everyone", "jane@", "a b@example.com", ["owner", "x"], [], ["a@example.com"] * 21, 0, True],
)
def test_what_is_nobody_is_refused(api: FlaskClient, people: People, to: Any) -> None:
    body = {"name": "Tell", "trigger": "keyword_added", "is_active": False}
    refused = api.post(RULES, json=body | {"actions": [notify(to=to)]})
    assert refused.status_code == 422, to
    assert any(path.startswith("actions[0].params.to") for path in refused.json["errors"]), refused.json


def test_a_person_of_another_account_is_not_there(api: FlaskClient, people: People) -> None:
    body = {"name": "Tell", "trigger": "keyword_added", "is_active": False}
    for to in (people.stranger.id, ["owner", people.stranger.id]):
        refused = api.post(RULES, json=body | {"actions": [notify(to=to)]})
        assert refused.status_code == 422
        assert f"person {people.stranger.id} was not found" in json.dumps(refused.json["errors"])


def test_the_form_takes_words_and_addresses(
    app: Flask, session: Session, people: People, api: FlaskClient
) -> None:
    editor = browser_of(app, session, people.editor)
    made = api.post(
        RULES, json={"name": "Tell", "trigger": "keyword_added", "actions": [notify(message="Look")]}
    )
    rule = session.get_one(AutomationRule, made.json["id"])
    draft = editor.post(f"/rules/{rule.id}/edit").location.rpartition("/")[0]
    row = {"a0-type": "notify", "a0-sent": "notify", "a0-p-message": "Look", "a0-on_error": "stop"}
    refused = editor.post(f"{draft}/do", data=row | {"a0-p-to": "everyone"})
    assert "is neither a role" in refused.text
    answer(editor, draft, ("do", row | {"a0-p-to": "Owners, boss@example.com", "a0-p-email": "y"}))
    assert "to owners, boss@example.com, by e-mail too" in editor.get(f"{draft}/check").text
    assert editor.post(f"{draft}/save", data={"on": "1"}).status_code == 303
    session.expire_all()
    assert rule.actions[0]["params"] == {
        "message": "Look", "to": ["owner", "boss@example.com"], "email": True
    }  # fmt: skip
    again = editor.post(f"/rules/{rule.id}/edit?step=do").location
    assert "owner, boss@example.com" in editor.get(again, follow_redirects=True).text


WAYS: tuple[Way | None, ...] = (None, *Way)


@pytest.mark.parametrize(("email", "unsubscribed"), [(True, False), (True, True), (False, False)])
def test_the_choice_of_kind_and_site_decides_how_a_message_of_a_rule_comes(
    session: Session, machine: Machine, people: People, email: bool, unsubscribed: bool
) -> None:
    """Each general choice with each of the site: who chose the console only, the daily mail or nothing gets no mail,
    and nobody gets one that the rule does not send.
    """
    site, other = make_site(session, people.account), make_site(session, people.account)
    keyword = make_keyword(session, make_sector(session, site))
    chosen: dict[int, tuple[User, Way]] = {}
    for general in WAYS:
        for own in WAYS:
            user = make_user(session, people.account, Role.OPERATOR)
            choose(session, user, {NoticeKind.RULE: general})
            choose(session, user, {NoticeKind.RULE: own}, site.id)
            # A choice for another site changes nothing here.
            choose(session, user, {NoticeKind.RULE: Way.OFF}, other.id)
            chosen[user.id] = user, own or general or Way.MAIL
            if unsubscribed:
                refusals.refuse(session, user.account_id, user.email, NoticeKind.RULE, machine.now)
    params = {"message": "Hello", "to": list(chosen)[:20], "email": email}
    later = params | {"to": list(chosen)[20:]}
    actions = [{"type": "notify", "params": one} for one in (params, later)]
    rule = machine.make_rule(people.account, site=site.id, trigger="keyword_added", actions=actions)
    machine.run_now(rule, record_ids=[keyword.id])
    sent = set(mailed(session))
    wanted = {user.email for user, way in chosen.values() if way == Way.MAIL}
    assert sent == (wanted if email and not unsubscribed else set())
    seen = {user.email for user, _ in chosen.values() if notices_page(session, user).rows}
    assert seen == {user.email for user, way in chosen.values() if way != Way.OFF}
