"""Mail from the row to a real SMTP server: nothing lost, nothing doubled, one of a kind in an hour."""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.outlets.mail_models import Mail
from app.business.outlets.services import mails, refusals
from app.business.outlets.services.mails import INVITATION, MailItem, Recipient
from app.business.outlets.services.outgoing import LEASE
from app.infrastructure.database import db, transaction
from app.infrastructure.mail.message import message_of
from app.infrastructure.mail.server import MailServer
from app.infrastructure.mail.unsubscribing import Subscription, subscription_of, token_for
from app.infrastructure.messaging.deliveries import drain
from app.infrastructure.secret_box import SecretBox
from app.settings import Settings, SettingsError, load_settings
from tests.factories import make_account
from tests.infrastructure.mail_receiver import Postbox, certificate, mail_server
from tests.processes import free_port

JANE = Recipient("jane@example.com")
NEWS = MailItem(
    "Three articles to check", "They wait <since> Monday.\nPlease look.", "/content", "Look at them"
)


@pytest.fixture
def box() -> Iterator[Postbox]:
    with mail_server() as box:
        yield box


@pytest.fixture
def settings(app: Flask, box: Postbox) -> Settings:
    return mailing(app.extensions["settings"], box.url)


def mailing(settings: Settings, url: str) -> Settings:
    secret = type(settings.smtp_url)(url)
    return settings.model_copy(update={"smtp_url": secret, "mail_from": "Console <console@example.com>"})


@pytest.fixture
def account(session: Session, valkey: Redis) -> Account:
    account = make_account(session, name="Acme & Co")
    session.commit()
    return account


class Office:
    """A clock, and workers that send what is due."""

    def __init__(self, session: Session, settings: Settings, now: datetime) -> None:
        self.session, self.settings, self.now = session, settings, now

    def work(self) -> int:
        self.session.commit()
        return drain(self.settings, most_seconds=60, stopping=lambda: False, clock=lambda: self.now)

    def rows(self) -> list[Mail]:
        self.session.rollback()
        self.session.expire_all()
        return list(self.session.scalars(select(Mail).order_by(Mail.id)))


@pytest.fixture
def office(session: Session, settings: Settings, now: datetime) -> Office:
    return Office(session, settings, now)


def test_a_mail_arrives_as_text_and_html_and_its_link_is_kept_only_encrypted(
    session: Session, account: Account, office: Office, box: Postbox, settings: Settings
) -> None:
    sealed = SecretBox.of(settings).seal("/welcome/secret-token")
    entry = MailItem("Ann invites you", "Come in & look.", label="Sign in")
    mails.write(session, account.id, JANE, INVITATION, entry, link_sealed=sealed, now=office.now)
    session.commit()
    assert "secret-token" not in str([vars(row) for row in office.rows()])
    assert (office.work(), office.work()) == (1, 0)
    [mail], [row] = box.mails, office.rows()
    assert (row.status, row.link_sealed) == ("delivered", "")
    assert (mail["To"], mail["Subject"], mail["From"]) == (
        "jane@example.com", "Ann invites you", "Console <console@example.com>"
    )  # fmt: skip
    assert mail["List-Unsubscribe"] is None, "nobody unsubscribes from links to sign in"
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    link = f"{settings.site_url}/welcome/secret-token"
    assert f"Sign in: {link}" in text.get_content()
    assert "Come in & look." in text.get_content()
    assert f'href="{link}"' in html.get_content()
    assert "Come in &amp; look." in html.get_content()
    assert "Acme &amp; Co" in html.get_content()


def test_the_server_may_be_away_for_an_hour(
    session: Session, account: Account, office: Office, settings: Settings
) -> None:
    """Nothing lost, nothing doubled."""
    port = free_port()
    office.settings = mailing(settings, f"smtp://127.0.0.1:{port}")
    for number in range(5):
        to = Recipient(f"p{number}@example.com")
        mails.write(session, account.id, to, INVITATION, NEWS, now=office.now)
    back = office.now + timedelta(hours=1)
    while office.now < back:
        office.work()
        office.now += timedelta(minutes=3)
    assert {row.status for row in office.rows()} == {"pending"}
    assert "could not be reached" in office.rows()[0].log[-1]["message"]
    with mail_server(port=port) as box:
        while len(box.mails) < 5 and office.now < back + timedelta(hours=7):
            office.work()
            office.now += timedelta(minutes=10)
    assert sorted(mail["To"] for mail in box.mails) == [f"p{number}@example.com" for number in range(5)]
    assert {row.status for row in office.rows()} == {"delivered"}


@pytest.mark.parametrize(
    ("answer", "status"), [("554 Not here", "failed"), ("451 Busy", "pending"), ("250 OK", "delivered")]
)
def test_what_the_server_answers_decides(
    session: Session, account: Account, office: Office, box: Postbox, answer: str, status: str
) -> None:
    box.answers = [answer]
    mails.write(session, account.id, JANE, INVITATION, NEWS, now=office.now)
    office.work()
    [row] = office.rows()
    assert row.status == status
    titles = session.scalars(select(Notice.title)).all()
    assert titles == (["A mail to jane@example.com could not be sent"] if status == "failed" else [])


def test_an_unknown_address_does_not_hold_up_the_others(
    session: Session, account: Account, office: Office, box: Postbox
) -> None:
    box.refused = {"gone@example.com": "550 No such user", "full@example.com": "452 Mailbox full"}
    for address in ("gone@example.com", "full@example.com", "jane@example.com"):
        mails.write(session, account.id, Recipient(address), INVITATION, NEWS, now=office.now)
    assert office.work() == 3
    assert [row.status for row in office.rows()] == ["failed", "pending", "delivered"]
    assert "550 No such user" in office.rows()[0].log[-1]["message"]


@pytest.mark.both_databases
@pytest.mark.parametrize("is_recorded", [False, True])
def test_killed_between_sending_and_receipt_it_is_sent_again_as_the_same_message(
    session: Session, account: Account, office: Office, box: Postbox, is_recorded: bool
) -> None:
    """At most one double, which mail programs recognise by its Message-ID."""
    mails.write(session, account.id, JANE, INVITATION, NEWS, now=office.now)
    session.commit()
    child = os.fork()
    if child == 0:
        db.engine.dispose(close=False)
        real = mails.record

        def record(*args: Any) -> Any:
            if not is_recorded:
                os._exit(9)
            return real(*args)

        mails.record = record
        office.work()
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert office.work() == 0, "its lease still runs"
    office.now += LEASE + timedelta(seconds=1)
    assert office.work() == (0 if is_recorded else 1)
    assert len(box.mails) == (1 if is_recorded else 2)
    assert len({mail["Message-ID"] for mail in box.mails}) == 1
    assert office.rows()[0].status == "delivered"


def test_further_mails_of_a_kind_wait_for_the_next_hour_together(
    session: Session, account: Account, office: Office, box: Postbox
) -> None:
    def tell(number: int, to: Recipient = JANE) -> None:
        entry = replace(NEWS, title=f"News {number}")
        with transaction() as fresh:
            mails.gather(fresh, account.id, to, NoticeKind.RULE, entry, office.now)

    tell(1)
    office.work()
    for number in (2, 3, 4):
        office.now += timedelta(minutes=10)
        tell(number)
        tell(number, Recipient("bob@example.com"))
        office.work()
    assert [(mail["To"], mail["Subject"]) for mail in box.mails] == [
        ("jane@example.com", "News 1"), ("bob@example.com", "News 2")
    ]  # fmt: skip
    office.now += timedelta(minutes=31)
    office.work()
    last = box.mails[-1]
    assert (last["To"], last["Subject"]) == ("jane@example.com", "3 messages: News 2")
    body = last.get_body(("plain",))
    assert body is not None
    assert all(f"News {number}" in body.get_content() for number in (2, 3, 4))


@pytest.mark.both_databases
def test_none_is_dropped_and_never_two_of_a_kind_leave_in_an_hour(
    session: Session, account: Account, office: Office, box: Postbox
) -> None:
    """At any times, with a server that is sometimes away."""
    chance = random.Random(15)
    sent_at: list[datetime] = []
    for number in range(60):
        office.now += timedelta(minutes=chance.choice([0, 1, 7, 25, 70]))
        with transaction() as fresh:
            mails.gather(
                fresh, account.id, JANE, NoticeKind.RULE, MailItem(f"News {number};", "x"), office.now
            )
        box.answers = ["451 Busy"] if chance.random() < 0.2 else []
        before = len(box.mails)
        office.work()
        sent_at += [office.now] * (len(box.mails) - before)
    box.answers = []
    for _ in range(30):
        office.now += timedelta(hours=2)
        office.work()
    said = "".join(mail.get_body(("plain",)).get_content() for mail in box.mails)  # type: ignore[union-attr]
    assert [said.count(f"News {number};") for number in range(60)] == [1] * 60
    begun = sorted(row.begun_at for row in office.rows() if row.begun_at)
    assert all(later - earlier >= timedelta(hours=1) for earlier, later in pairwise(begun))
    assert len(sent_at) < 60


def test_somebody_unsubscribes_from_a_kind(
    session: Session, account: Account, office: Office, box: Postbox, settings: Settings
) -> None:
    mails.gather(session, account.id, JANE, NoticeKind.RULE, NEWS, office.now)
    office.work()
    [mail] = box.mails
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert b"\r\nList-Unsubscribe: <http" in box.raw[0], "as it stands, not encoded"
    token = mail["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    assert subscription_of(settings, token) == Subscription(account.id, JANE.address, NoticeKind.RULE)
    mails.gather(session, account.id, JANE, NoticeKind.RULE, NEWS, office.now)
    refusals.refuse(session, account.id, "JANE@example.com", NoticeKind.RULE, office.now)
    assert not mails.gather(session, account.id, JANE, NoticeKind.RULE, NEWS, office.now)
    mails.write(session, account.id, JANE, INVITATION, NEWS, now=office.now)
    office.now += timedelta(hours=2)
    office.work()
    assert [row.status for row in office.rows()] == ["delivered", "failed", "delivered"]
    assert session.scalars(select(Notice)).all() == []
    refusals.accept_again(session, account.id, JANE.address, NoticeKind.RULE)
    assert mails.gather(session, account.id, JANE, NoticeKind.RULE, NEWS, office.now)


def test_nobody_makes_an_address_that_unsubscribes_others(settings: Settings) -> None:
    token = token_for(settings, Subscription(1, "a@example.com", NoticeKind.RULE))
    assert subscription_of(settings, token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert subscription_of(Settings(secret_key="n" * 40), token) is None
    old = Settings(secret_key="n" * 40, secret_key_old=settings.signing_key)
    assert subscription_of(old, token) == Subscription(1, "a@example.com", NoticeKind.RULE)


def test_without_a_mail_server_nothing_waits_for_one(
    app: Flask, session: Session, account: Account, office: Office
) -> None:
    office.settings = app.extensions["settings"]
    mails.write(session, account.id, JANE, INVITATION, NEWS, link_sealed="sealed", now=office.now)
    assert office.work() == 0
    [row] = office.rows()
    assert (row.status, row.link_sealed, row.log[0]["message"]) == ("failed", "", mails.NO_SERVER)


def letter(session: Session, account: Account, office: Office) -> Any:
    mails.write(session, account.id, JANE, INVITATION, NEWS, now=office.now)
    taken = mails.take_next(session, office.now)
    session.commit()
    assert taken
    return message_of(taken, office.settings)


def test_starttls_is_used_where_offered_and_a_password_is_sent_only_then(
    session: Session, account: Account, office: Office, tmp_path: Path
) -> None:
    server_side, client_side = certificate(tmp_path)
    message = letter(session, account, office)
    with mail_server(starttls=server_side) as box:
        server = replace(MailServer.of(f"smtp://jane:right@127.0.0.1:{box.port}"), context=client_side)
        assert server.send(message).message == ""
        assert box.logins == [("jane", "right", True)]
        assert box.encrypted == [True]
        wrong = replace(server, password="wrong").send(message)
        assert "does not accept the user or password" in wrong.message
        untrusted = MailServer.of(f"smtp://jane:right@127.0.0.1:{box.port}").send(message)
        assert "is not safe" in untrusted.message
        assert len(box.mails) == 1
    with mail_server(auth_require_tls=False) as box:
        sent = MailServer.of(f"smtp://jane:right@127.0.0.1:{box.port}").send(message)
        assert "offers no STARTTLS" in sent.message
        assert (box.logins, box.mails) == ([], [])
        assert MailServer.of(box.url).send(message).message == "", "without a password plain is allowed"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"SMTP_URL": "http://mail.example"}, "SMTP_URL"), ({"SMTP_URL": "smtp://"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://u:p@mail.example:99999"}, "SMTP_URL"), ({"SMTP_URL": "smtp://mail.example"}, "MAIL_FROM"),
        ({"SMTP_URL": "smtp://mail.example", "MAIL_FROM": "Console"}, "MAIL_FROM"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_stop_the_start(
    given: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in given.items():
        monkeypatch.setenv(setting, value)
    load: Callable[[], Settings] = getattr(load_settings, "__wrapped__", load_settings)
    with pytest.raises(SettingsError, match=name):
        load()


def test_a_test_mail_is_sent_from_the_command_line(
    app: Flask, box: Postbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = app.test_cli_runner().invoke(args=["send-test-mail", "me@example.com"])
    assert (refused.exit_code, "Set SMTP_URL and MAIL_FROM first" in refused.output) == (1, True)
    monkeypatch.setitem(app.extensions, "settings", settings)
    done = app.test_cli_runner().invoke(args=["send-test-mail", "me@example.com"])
    assert (done.exit_code, "Sent to me@example.com." in done.output) == (0, True)
    assert box.mails[0]["Subject"] == "A test mail"
    box.refused = {"me@example.com": "550 No such user"}
    failed = app.test_cli_runner().invoke(args=["send-test-mail", "me@example.com"])
    assert (failed.exit_code, "550 No such user" in failed.output) == (1, True)
