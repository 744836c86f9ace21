"""The commands for accounts, passwords, keys and credits: their output and exit codes."""

from datetime import UTC, datetime

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, User
from app.business.accounts.services import api_keys
from app.business.accounts.services.passwords import is_right
from app.business.billing.models import CreditEntry
from app.business.billing.services.replenishment import month_of
from tests.factories import make_site

PASSWORD = "lamps for the garden"
EMAIL = "mira@example.com"


@pytest.fixture
def harbour(app: Flask, session: Session) -> Account:
    """An account that the command itself has made."""
    done = _run(app, "create-account", "Harbour", "--email", EMAIL, "--password-stdin", given=PASSWORD + "\n")
    assert (done.exit_code, done.stdout) == (0, "")
    return session.scalars(select(Account)).one()


def _run(app: Flask, *arguments: str, given: str | None = None) -> Result:
    return app.test_cli_runner().invoke(args=arguments, input=given)


def test_an_account_begins_with_its_owner_and_this_months_credits(session: Session, harbour: Account) -> None:
    owner, entry = session.scalars(select(User)).one(), session.scalars(select(CreditEntry)).one()
    assert (owner.email, owner.role) == (EMAIL, "owner")
    assert is_right(PASSWORD, owner.password_hash)
    assert (entry.key, entry.amount) == (f"grant-{month_of('UTC', entry.created_at)}", 1000)
    assert harbour.daily_ceiling is None


def test_without_a_password_the_owner_gets_a_link(app: Flask) -> None:
    done = _run(app, "create-account", "Harbour", "--email", EMAIL)
    assert done.exit_code == 0
    assert done.stdout.startswith("Sign in: http://127.0.0.1:8000/welcome/")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--plan", "huge"], "There is no plan “huge”. Choose one of: starter, growth, scale."),
        (["--timezone", "Mars/Olympus"], "is no time zone"),
    ],
)
def test_a_refused_command_changes_nothing_and_exits_with_one(
    app: Flask, session: Session, arguments: list[str], sentence: str
) -> None:
    done = _run(app, "create-account", "Harbour", "--email", EMAIL, *arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert session.scalars(select(Account)).all() == []


def test_a_weak_password_is_refused(app: Flask) -> None:
    done = _run(app, "create-account", "Harbour", "--email", EMAIL, "--password-stdin", given="short\n")
    assert done.exit_code == 1
    assert "at least 8 characters" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["create-account"], ["add-credits", "--email", EMAIL, "--amount", "many"],
     ["add-credits", "--email", EMAIL, "--amount", "0"], ["reset-password", "--email", EMAIL]],
)  # fmt: skip
def test_wrong_usage_exits_with_two(app: Flask, arguments: list[str]) -> None:
    assert _run(app, *arguments).exit_code == 2


def test_a_reset_password_is_the_new_one(app: Flask, session: Session, harbour: Account) -> None:
    done = _run(app, "reset-password", "--email", EMAIL, "--password-stdin", given="another long one\n")
    assert done.exit_code == 0
    session.expire_all()
    assert is_right("another long one", session.scalars(select(User.password_hash)).one())


@pytest.mark.parametrize(("options", "kept"), [([], False), (["--keep-keys"], True)])
def test_a_reset_password_ends_the_keys_unless_asked_to_keep_them(
    app: Flask, session: Session, harbour: Account, options: list[str], kept: bool
) -> None:
    secret = _run(app, "api-key", "create", "--email", EMAIL, "--name", "Import").stdout.strip()
    done = _run(
        app, "reset-password", "--email", EMAIL, "--password-stdin", *options, given="another long one\n"
    )
    assert f"API keys ended: {int(not kept)}, still working: {int(kept)}." in done.stderr
    session.expire_all()
    assert (api_keys.find(session, secret, datetime.now(UTC)) is not None) == kept


def test_credits_are_added_and_taken_but_never_below_zero(
    app: Flask, session: Session, harbour: Account
) -> None:
    done = _run(app, "add-credits", "--email", EMAIL, "--amount", "500")
    assert (done.exit_code, done.stderr) == (0, "+500 credits: Harbour now has 1,500.\n")
    refused = _run(app, "add-credits", "--email", EMAIL, "--amount", "-5000")
    assert refused.exit_code == 1
    assert "free" in refused.stderr


def test_a_plan_is_changed_and_an_unknown_one_is_named(
    app: Flask, session: Session, harbour: Account
) -> None:
    done = _run(app, "change-plan", "--email", EMAIL, "--plan", "growth")
    assert (done.exit_code, done.stderr) == (
        0,
        "Harbour is on the plan growth: +9,000 credits, 10,000 now.\n",
    )
    for plan, said in (("growth", "on the plan Growth already"), ("gold", "There is no plan “gold”")):
        refused = _run(app, "change-plan", "--email", EMAIL, "--plan", plan)
        assert refused.exit_code == 1
        assert said in refused.stderr


def test_the_key_stands_alone_on_standard_output(app: Flask, session: Session, harbour: Account) -> None:
    done = _run(app, "api-key", "create", "--email", EMAIL, "--name", "Import")
    holder = api_keys.find(session, done.stdout.strip(), datetime.now(UTC))
    assert holder
    assert holder.account.id == harbour.id


def test_an_unknown_address_is_named(app: Flask) -> None:
    done = _run(app, "api-key", "create", "--email", "nobody@example.com", "--name", "Import")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Nobody has the address nobody@example.com." in done.stderr


def test_a_limited_key_is_made_by_command(app: Flask, session: Session, harbour: Account) -> None:
    site = make_site(session, harbour)
    session.commit()
    limits = (
        "--scope",
        "read",
        "--site",
        str(site.id),
        "--expires-on",
        "2099-01-31",
        "--changes-per-minute",
        "5",
    )
    done = _run(app, "api-key", "create", "--email", EMAIL, "--name", "Import", *limits)
    holder = api_keys.find(session, done.stdout.strip(), datetime.now(UTC))
    assert holder
    assert api_keys.audited(holder.key) == {
        "name": "Import", "scopes": ["read"], "site_ids": [site.id], "expires_at": "2099-02-01T00:00:00+00:00",
        "requests_per_minute": None, "changes_per_minute": 5,
    }  # fmt: skip
    refused = _run(app, "api-key", "create", "--email", EMAIL, "--name", "Import", "--site", "987654321")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "no site with the number 987654321" in refused.stderr
