"""Links to sign in by mail, and the page that unsubscribes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.billing.models import Plan
from app.business.outlets.mail_models import Mail, MailRefusal
from app.business.outlets.services import mails
from app.business.outlets.services.mails import MailItem, Recipient, Sent
from app.business.outlets.services.notifying import Message, notify
from app.business.planner.models import Site
from app.infrastructure.mail.message import message_of
from app.infrastructure.mail.unsubscribing import Subscription, token_for
from app.infrastructure.messaging.deliveries import drain
from app.settings import Settings
from tests.factories import NOW, make_account, make_site
from tests.infrastructure.mail_receiver import Postbox, mail_server
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session, valkey: Redis) -> People:
    people = make_people(session)
    session.get_one(Plan, people.account.plan_id).members = 50
    session.commit()
    return people


@pytest.fixture
def box(app: Flask) -> Iterator[Postbox]:
    """The installation sends mail by this server."""
    with mail_server() as box:
        before: Settings = app.extensions["settings"]
        url = type(before.smtp_url)(box.url)
        app.extensions["settings"] = before.model_copy(
            update={"smtp_url": url, "mail_from": "console@example.com"}
        )
        yield box
        app.extensions["settings"] = before


def work(app: Flask, session: Session) -> None:
    session.commit()
    drain(app.extensions["settings"], most_seconds=30, stopping=lambda: False)


@pytest.mark.both_databases
def test_an_invitation_and_a_link_for_a_password_go_by_mail(
    app: Flask, session: Session, people: People, box: Postbox
) -> None:
    owner = browser_of(app, session, people.owner)
    added = owner.post("/team", data={"email": "new@example.com", "name": "New", "role": "editor"})
    assert added.status_code == 303, "no link on a page"
    assert "A link to sign in is on its way to new@example.com" in owner.get("/team").text
    people.editor.signed_in_at = datetime.now(UTC)
    session.commit()
    owner.post(f"/team/{people.editor.id}/link")
    assert not [row for row in session.scalars(select(Mail)) if "welcome" in str(vars(row))]
    work(app, session)
    first, second = box.mails
    assert "invites you to" in str(first["Subject"])
    assert str(second["Subject"]) == "Your link to sign in"
    text = first.get_body(("plain",))
    assert text is not None
    [path] = re.findall(r"Sign in: \S+(/welcome/\S+)", text.get_content())
    guest = app.test_client()
    assert "new@example.com" in guest.get(path).text
    assert session.scalars(select(User).where(User.email == "new@example.com")).one().is_active


def test_without_a_mail_server_the_link_is_shown_as_before(
    app: Flask, session: Session, people: People
) -> None:
    owner = browser_of(app, session, people.owner)
    added = owner.post("/team", data={"email": "new@example.com", "name": "New", "role": "editor"})
    assert (added.status_code, "/welcome/" in added.text) == (201, True)
    assert session.scalars(select(Mail)).all() == []


def test_a_person_who_was_switched_off_gets_no_link(
    app: Flask, session: Session, people: People, box: Postbox
) -> None:
    owner = browser_of(app, session, people.owner)
    owner.post(f"/team/{people.editor.id}/link")
    owner.post(f"/team/{people.editor.id}/off")
    work(app, session)
    assert box.mails == []
    assert session.scalars(select(Mail.status)).one() == "failed"


@pytest.mark.both_databases
def test_looking_at_the_address_unsubscribes_nobody_and_one_click_does(
    app: Flask, session: Session, people: People
) -> None:
    settings = app.extensions["settings"]
    token = token_for(settings, Subscription(people.account.id, "Jane@example.com", NoticeKind.RULE))
    program = app.test_client()
    asked = program.get(f"/unsubscribe/{token}")
    assert "Send no more messages of rules to Jane@example.com?" in asked.text
    assert session.scalars(select(MailRefusal)).all() == []
    for _ in range(2):
        done = program.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
        assert (done.status_code, "No more messages of rules are sent" in done.text) == (200, True)
    assert [row.address for row in session.scalars(select(MailRefusal))] == ["jane@example.com"]
    assert program.post(f"/unsubscribe/{token}", data={"again": "1"}).status_code == 200
    session.expire_all()
    assert session.scalars(select(MailRefusal)).all() == []
    for wrong in (f"{token}x", "nobody-has-this"):
        assert program.get(f"/unsubscribe/{wrong}").status_code == 404
        assert program.post(f"/unsubscribe/{wrong}").status_code == 404


def tell(session: Session, people: People, site: Site | None, title: str) -> None:
    about = site.id if site else None
    message = Message(NoticeKind.INCIDENT, "warning", title, "Look.", title, site_id=about, role=Role.OWNER)
    notify(session, people.account.id, message, NOW)
    session.commit()


def test_a_mail_to_a_person_leads_to_the_page_of_choices_and_one_of_a_rule_does_not(
    app: Flask, session: Session, people: People
) -> None:
    settings = app.extensions["settings"].model_copy(update={"mail_from": "console@example.com"})
    tell(session, people, None, "First")
    mails.gather(
        session, people.account.id, Recipient("boss@example.com"), "rule", MailItem("Rule", "x"), NOW
    )
    said: dict[str, str] = {}
    while mail := mails.take_next(session, NOW + timedelta(hours=len(said))):
        mails.record(session, mail, Sent(), NOW)
        text = message_of(mail, settings).get_body(("plain",))
        assert text is not None
        said[mail.kind] = text.get_content()
    [path] = re.findall(r"Choose how you are told: https?://[^/]+(/\S+)", said["incident"])
    assert browser_of(app, session, people.owner).get(path).status_code == 200
    assert "Choose" not in said["rule"]


def waiting(session: Session) -> list[str]:
    """What the mails that wait to be sent say."""
    session.rollback()
    rows = session.scalars(select(Mail).where(Mail.status == "pending").order_by(Mail.id))
    return [entry["title"] for mail in rows for entry in mail.entries]


def link_in_mail(app: Flask, session: Session) -> str:
    """The path that unsubscribes in the mail that waits, which is not claimed by this."""
    taken = mails.take_next(session, NOW)
    assert taken is not None
    settings = app.extensions["settings"].model_copy(update={"mail_from": "console@example.com"})
    link = str(message_of(taken, settings)["List-Unsubscribe"])
    session.rollback()
    return f"/unsubscribe/{link.strip('<>').rpartition('/')[2]}"


@pytest.mark.both_databases
def test_somebody_unsubscribes_from_what_is_about_one_site(
    app: Flask, session: Session, people: People
) -> None:
    blog, shop = make_site(session, people.account, name="The blog"), make_site(session, people.account)
    tell(session, people, blog, "First")
    path, program = link_in_mail(app, session), app.test_client()
    tell(session, people, shop, "Shop")
    assert "Only from those about The blog" in program.get(path).text
    assert waiting(session) == ["First", "Shop"]
    done = program.post(path, data={"only_site": "1"})
    assert "where they are about The blog" in " ".join(done.text.split())
    assert waiting(session) == ["Shop"], "what has not left yet is not sent either"
    tell(session, people, blog, "Second")
    tell(session, people, None, "General")
    assert waiting(session) == ["Shop", "General"]
    assert session.scalars(select(MailRefusal)).all() == []
    assert program.post(path, data={"only_site": "1", "again": "1"}).status_code == 200
    tell(session, people, blog, "Third")
    assert waiting(session) == ["Shop", "General", "Third"]
    # The button of a mail program knows nothing of sites.
    program.post(path, data={"List-Unsubscribe": "One-Click"})
    tell(session, people, shop, "Fourth")
    tell(session, people, blog, "Fifth")
    assert waiting(session) == ["Shop", "General", "Third"]
    assert mails.take_next(session, NOW) is None, "nor is what waits"


def test_a_mail_about_one_site_alone_that_has_not_left_is_not_sent(
    app: Flask, session: Session, people: People
) -> None:
    blog = make_site(session, people.account)
    tell(session, people, blog, "First")
    path = link_in_mail(app, session)
    assert app.test_client().post(path, data={"only_site": "1"}).status_code == 200
    assert waiting(session) == []
    assert session.scalars(select(Mail.status)).one() == "failed"


def test_only_the_accounts_own_people_choose_by_site_and_only_about_its_sites(
    app: Flask, session: Session, people: People
) -> None:
    blog = make_site(session, people.account)
    theirs = make_site(session, make_account(session))
    session.commit()
    owner, account = people.owner.email, people.account.id
    for address, site_id, kind, offered in (
        (owner.upper(), blog.id, "incident", True),
        (owner, theirs.id, "incident", False),
        (owner, 987_654_321, "incident", False),
        (owner, None, "incident", False),
        ("boss@example.com", blog.id, "rule", False),
        (owner, blog.id, "digest", False),
    ):
        token = token_for(app.extensions["settings"], Subscription(account, address, kind, site_id))
        program = app.test_client()
        assert ("Only from those" in program.get(f"/unsubscribe/{token}").text) == offered
        if not offered:
            # Without the choice the whole kind is meant.
            assert program.post(f"/unsubscribe/{token}", data={"only_site": "1"}).status_code == 200
            session.rollback()
            assert session.scalars(select(MailRefusal.kind)).all() == [kind]
            session.execute(delete(MailRefusal))
            session.commit()
