"""A few people for all cases of access: one of each role, and a stranger from another account."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role, User
from app.business.accounts.services import api_keys, sign_in
from tests.factories import NOW, first_grant, make_plan, new_account, new_user


@dataclass(frozen=True)
class People:
    account: Account
    owner: User
    editor: User
    operator: User
    viewer: User
    stranger: User


def make_people(session: Session, granted_at: datetime = NOW) -> People:
    """Everybody, committed: the four roles of one account, and the owner of another."""
    plan = make_plan(session)
    both = account, other = new_account(plan), new_account(plan)
    session.add_all(both)
    session.flush()
    roles = {role.value: new_user(account, role) for role in Role}
    people = People(account, stranger=new_user(other), **roles)
    session.add_all([*(first_grant(one, granted_at) for one in both), *roles.values(), people.stranger])
    session.commit()
    return people


def browser_of(app: Flask, session: Session, user: User) -> FlaskClient:
    """A browser in which `user` is signed in; it sends the CSRF token of its session as our pages do."""
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["token"] = sign_in.begin(session, user, datetime.now(UTC))
        cookie["csrf_token"] = "the-same-in-every-test"
    session.commit()
    signer = URLSafeTimedSerializer(app.secret_key or "", salt="wtf-csrf-token")
    client.environ_base["HTTP_X_CSRFTOKEN"] = str(signer.dumps("the-same-in-every-test"))
    return client


def program_of(app: Flask, session: Session, user: User) -> FlaskClient:
    """A program that uses the REST API with a key of `user`."""
    _, secret = api_keys.issue(session, user, "Program", datetime.now(UTC))
    session.commit()
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return client
