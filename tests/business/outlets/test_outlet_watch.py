"""Messages and mails that do not leave, and a WordPress that refuses for an hour, are named once."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.outlets.incident_models import Incident
from app.business.outlets.outgoing_models import OutgoingStatus
from app.business.outlets.services import incidents, mails
from app.business.outlets.services.mails import INVITATION, MailItem, Recipient
from app.business.outlets.services.outlet_watch import KEY, watch_outlets
from tests.factories import NOW, make_account, make_delivery, make_webhook

SOON, LATE = NOW + timedelta(minutes=5), NOW + timedelta(minutes=70)


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


def told(session: Session) -> list[str]:
    session.expire_all()
    return list(session.scalars(select(Notice.body).where(Notice.key == KEY, Notice.read_at.is_(None))))


def test_nothing_is_said_of_what_leaves_in_time(session: Session, account: Account) -> None:
    mails.write(session, account.id, Recipient("a@example.com"), INVITATION, MailItem("Hi", "x"), now=NOW)
    assert watch_outlets(session, SOON) == 0
    make_account(session)
    assert told(session) == []


def test_stuck_mails_and_messages_are_named_until_they_have_left(session: Session, account: Account) -> None:
    mails.write(session, account.id, Recipient("a@example.com"), INVITATION, MailItem("Hi", "x"), now=NOW)
    row = make_delivery(
        session, make_webhook(session, account), status="pending", next_at=NOW, created_at=NOW
    )
    assert watch_outlets(session, LATE) == 1
    (body,) = told(session)
    assert "1 mail has not left since Tue 24 Nov 09:00 (UTC)." in body
    assert "1 message to a webhook has not left since" in body
    session.execute(Notice.__table__.update().values(read_at=LATE))
    assert watch_outlets(session, LATE + timedelta(minutes=1)) == 1
    assert told(session) == [], "people who have read it are not told again"
    row.status = OutgoingStatus.DELIVERED
    mails.end_all(session, LATE)
    assert watch_outlets(session, LATE) == 0


def test_one_that_is_tried_again_and_again_for_an_hour_is_stuck_too(
    session: Session, account: Account
) -> None:
    make_delivery(
        session, make_webhook(session, account), status="pending", tries=4, created_at=NOW,
        next_at=LATE + timedelta(hours=1),
    )  # fmt: skip
    assert (watch_outlets(session, SOON), watch_outlets(session, LATE)) == (0, 1)


def test_a_wordpress_that_refuses_since_an_hour_is_named(session: Session, account: Account) -> None:
    session.add(
        Incident(
            account_id=account.id, place="wordpress-3", fault="misconfigured", subject="The WordPress of “Blog”",
            message="No.", first_at=NOW,
        )
    )  # fmt: skip
    session.flush()
    assert watch_outlets(session, SOON) == 0
    assert watch_outlets(session, LATE) == 1
    (body,) = told(session)
    assert body.startswith("The WordPress of “Blog” refuses us since Tue 24 Nov 09:00 (UTC).")
    incidents.recover_place(session, account.id, "wordpress-3", LATE)
    assert watch_outlets(session, LATE) == 0
    assert told(session) == []
