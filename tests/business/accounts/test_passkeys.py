"""Of several at the same moment one answers a challenge, one count is taken, and one way to sign in stays."""

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.passkey_models import Passkey, PasskeyChallenge, Purpose
from app.business.accounts.services import passkeys
from app.business.accounts.services.passkeys import NewPasskey
from app.business.errors import Conflict
from tests.at_once import AT_ONCE, together
from tests.factories import NOW, make_account, make_passkey, make_user

pytestmark = pytest.mark.both_databases


@pytest.fixture
def user(session: Session) -> User:
    """Has no password."""
    user = make_user(session, make_account(session))
    session.commit()
    return user


def count(session: Session) -> int:
    return session.scalar(select(func.count(Passkey.id))) or 0


def test_a_challenge_is_taken_once(session: Session, user: User) -> None:
    token, challenge = passkeys.ask(session, Purpose.SIGN_IN, None, NOW)
    session.commit()
    taken = []

    def work(own: Session, _number: int) -> None:
        taken.append(passkeys.take(own, token, Purpose.SIGN_IN, None, NOW))

    together(work)
    assert [one for one in taken if one] == [challenge]
    assert len(taken) == AT_ONCE


def test_a_count_is_taken_once(session: Session, user: User) -> None:
    passkey = make_passkey(session, user, sign_count=3)
    session.commit()
    used = []

    def work(own: Session, _number: int) -> None:
        used.append(passkeys.use(own, own.get_one(Passkey, passkey.id), 4, "203.0.113.9", "Firefox", NOW))

    together(work)
    assert sorted(used) == [False] * (AT_ONCE - 1) + [True]


def test_of_the_last_ways_to_sign_in_one_stays(session: Session, user: User) -> None:
    ids = [make_passkey(session, user).id for _ in range(AT_ONCE)]
    session.commit()

    def work(own: Session, number: int) -> None:
        with suppress(Conflict):
            passkeys.remove(own, own.get_one(User, user.id), ids[number])

    together(work)
    assert count(session) == 1


def test_a_credential_is_kept_once_and_a_person_has_no_more_than_may_be(session: Session, user: User) -> None:
    def work(own: Session, number: int) -> None:
        with suppress(Conflict):
            new = NewPasskey("same" if number % 2 else f"own {number}", b"key", 0)
            passkeys.add(own, own.get_one(User, user.id), new, "handle", "Phone", NOW)

    for _ in range(passkeys.MOST - 2):
        make_passkey(session, user)
    session.commit()
    together(work)
    assert count(session) == passkeys.MOST
    kept = session.scalars(select(Passkey.credential_id)).all()
    assert kept.count("same") <= 1


def test_challenges_that_nobody_answered_go_with_the_next(session: Session, user: User) -> None:
    for _ in range(3):
        passkeys.ask(session, Purpose.SIGN_IN, None, NOW)
    passkeys.ask(session, Purpose.ADD, user, NOW + passkeys.VALID_FOR - timedelta(seconds=1))
    assert session.scalar(select(func.count(PasskeyChallenge.id))) == 4
    passkeys.ask(session, Purpose.SIGN_IN, None, NOW + passkeys.VALID_FOR)
    assert session.scalar(select(func.count(PasskeyChallenge.id))) == 2
