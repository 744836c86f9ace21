"""People, links, keys and notices: the services of accounts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AuditEntry, Notice, Role, User, UserSession
from app.business.accounts.services import api_keys, audit_log, notices, passwords, sign_in, team, welcome
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import Scope, owned
from app.business.errors import Conflict, Invalid, NotFound
from app.business.planner.models import Site
from tests.factories import make_account, make_site, make_user

QUICK = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


def test_a_row_is_fetched_only_within_its_account(session: Session) -> None:
    account, other = make_account(session), make_account(session)
    site = make_site(session, account)
    assert owned(session, Site, site.id, Scope(account.id)) is site
    for id, account_id in (
        (site.id, other.id),
        (site.id + 999, account.id),
        (0, account.id),
        (2**70, account.id),
    ):
        with pytest.raises(NotFound, match=r"^Not found\.$"):
            owned(session, Site, id, Scope(account_id))


def test_a_row_cannot_be_fetched_without_an_account(session: Session) -> None:
    nobody: Any = None
    with pytest.raises(TypeError):
        owned(session, Site, 1, Scope(nobody))


def test_a_password_is_kept_as_argon2id_and_normalised(session: Session, now: datetime) -> None:
    user = make_user(session, make_account(session))
    sign_in.set_password(session, user, "Zoë likes lamps", now, QUICK)
    assert (user.password_hash or "").startswith("$argon2id$")
    assert passwords.is_right("Zoe\u0308 likes lamps", user.password_hash, QUICK)
    assert not passwords.is_right("zoe likes lamps", user.password_hash, QUICK)


def test_the_password_of_no_user_is_never_right() -> None:
    assert not passwords.is_right("a password that nobody has", None, QUICK)


def test_a_megabyte_is_refused_as_a_password() -> None:
    with pytest.raises(Invalid, match="at most 256"):
        passwords.check_new_password("x" * 1_000_000, "mira@example.com")
    assert not passwords.is_right("x" * 1_000_000, None, QUICK)


@pytest.mark.parametrize("password", ["short", "Password123", "mira@example.com", "aaaaaaaaaaaa", "P@ssw0rd"])
def test_passwords_that_attackers_try_first_are_refused(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.check_new_password(password, "mira@example.com")


def test_long_passwords_of_any_characters_are_accepted() -> None:
    for password in ("korrekte Pferde", "パスワードは長い方がいい", "garden lamps " * 10):
        passwords.check_new_password(password, "mira@example.com")


def test_only_the_hash_of_a_session_is_kept(session: Session, now: datetime) -> None:
    token = sign_in.begin(session, make_user(session, make_account(session)), now)
    kept = session.scalars(select(UserSession)).one()
    assert token not in (kept.token_hash, kept.user_agent)
    assert len(token) >= 43


def test_the_link_goes_to_the_real_owner_who_has_no_password(session: Session, now: datetime) -> None:
    make_user(session, make_account(session, is_demo=True))
    real = make_user(session, make_account(session))
    token = welcome.issue_link(session, now)
    assert token
    assert welcome.redeem(session, token, now) is real


def test_a_newer_link_replaces_the_older_and_a_password_ends_them(session: Session, now: datetime) -> None:
    owner = make_user(session, make_account(session))
    older, newer = welcome.issue_link(session, now), welcome.issue_link(session, now)
    assert older
    assert newer
    assert welcome.redeem(session, older, now) is None
    sign_in.set_password(session, owner, "lamps for the garden", now, QUICK)
    assert welcome.redeem(session, newer, now) is None
    assert welcome.issue_link(session, now) is None


def test_a_link_works_once_and_for_seven_days(session: Session, now: datetime) -> None:
    user = make_user(session, make_account(session))
    late = welcome.issue_for(session, user, now)
    assert welcome.redeem(session, late, now + timedelta(days=7)) is None
    token = welcome.issue_for(session, user, now)
    assert welcome.redeem(session, token, now) is user
    assert welcome.redeem(session, token, now) is None


def test_an_account_never_loses_its_last_owner(session: Session, now: datetime) -> None:
    account = make_account(session)
    first, second = make_user(session, account), make_user(session, account)
    team.deactivate(session, second, AuditActor(), now)
    for change in (
        lambda: team.deactivate(session, first, AuditActor(), now),
        lambda: team.change_role(session, first, Role.EDITOR, now),
    ):
        with pytest.raises(Conflict, match="only owner"):
            change()
    team.reactivate(session, second, now)
    team.change_role(session, first, Role.EDITOR, now)
    assert first.role == Role.EDITOR


def test_the_plan_says_how_many_people_there_may_be(session: Session, now: datetime) -> None:
    account = make_account(session)
    make_user(session, account)
    with pytest.raises(Conflict, match="room for 1"):
        team.add_user(session, account, email="b@example.com", name="", role=Role.VIEWER, now=now, most=1)


@pytest.mark.parametrize("email", ["", "no address", "a@b@c", "x" * 260 + "@example.com"])
def test_only_valid_addresses_are_accepted(session: Session, now: datetime, email: str) -> None:
    with pytest.raises(Invalid):
        team.add_user(session, make_account(session), email=email, name="", role=Role.VIEWER, now=now)


def test_a_key_works_until_it_or_its_maker_goes(session: Session, now: datetime) -> None:
    account = make_account(session)
    make_user(session, account)
    maker = make_user(session, account, Role.EDITOR)
    key, secret = api_keys.issue(session, maker, "Import", now)
    holder = api_keys.find(session, secret, now)
    assert holder
    assert (holder.user, holder.account, holder.key) == (maker, account, key)
    assert secret.startswith(key.prefix)
    team.deactivate(session, maker, AuditActor(), now)
    team.reactivate(session, maker, now)
    assert api_keys.find(session, secret, now) is None


def test_the_same_cause_makes_one_notice_and_renews_it(session: Session, now: datetime) -> None:
    user = make_user(session, make_account(session), Role.VIEWER)
    common: dict[str, Any] = {
        "account_id": user.account_id,
        "level": "danger",
        "title": "Failed",
        "key": "rule-7",
    }
    notices.add_notice(session, body="Once.", now=now, **common)
    notices.mark_read(session, user, now)
    notices.add_notice(session, body="Twice.", now=now + timedelta(hours=1), **common)
    session.expire_all()
    assert [notice.body for notice in notices.notices_page(session, user).rows] == ["Twice."]
    assert notices.unread_notices(session, user) == 1


def test_notices_reach_those_they_are_meant_for(session: Session, now: datetime) -> None:
    account = make_account(session)
    viewer, owner = make_user(session, account, Role.VIEWER), make_user(session, account)
    common: dict[str, Any] = {"account_id": account.id, "level": "info", "title": "T", "now": now}
    notices.add_notice(session, body="editors", role=Role.EDITOR, **common)
    notices.add_notice(session, body="viewer", user_id=viewer.id, **common)
    notices.add_notice(session, body="all", **common)
    assert [notice.body for notice in notices.notices_page(session, viewer).rows] == ["all", "viewer"]
    assert [notice.body for notice in notices.notices_page(session, owner).rows] == ["all", "editors"]
    notices.mark_read(session, viewer, now)
    assert session.scalar(select(func.count(Notice.id)).where(Notice.read_at.is_(None))) == 1


def test_the_audit_log_cannot_be_changed(session: Session, now: datetime) -> None:
    account = make_account(session)
    audit_log.record(session, account.id, audit_log.AuditActor(), "account.made", account, {"a": 1}, now)
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.subject_type, entry.subject_id, entry.created_at) == (
        "account",
        account.id,
        now.astimezone(UTC),
    )
    entry.action = "nothing.happened"
    with pytest.raises(DatabaseError, match="append-only"):
        session.flush()
    session.rollback()


def test_an_account_without_valid_zone_or_name_is_refused(session: Session, now: datetime) -> None:
    common: dict[str, Any] = {"email": "a@example.com", "plan_id": None, "now": now}
    with pytest.raises(Invalid, match="no time zone"):
        team.create_account(session, name="Harbour", timezone="Mars/Olympus", **common)
    with pytest.raises(Invalid, match="name"):
        team.create_account(session, name="  ", timezone="UTC", **common)
    assert session.scalar(select(func.count(Account.id))) == session.scalar(select(func.count(User.id))) == 0
