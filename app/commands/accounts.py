"""Accounts, passwords and API keys from the command line."""

import sys
from datetime import UTC, datetime

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.orm import Session

from app.business.accounts.models import KeyScope, User
from app.business.accounts.services import (
    api_keys,
    audit_log,
    passkeys,
    second_factor,
    sign_in,
    team,
    welcome,
)
from app.business.accounts.services.api_keys import KeyLimits
from app.business.accounts.services.scope import Scope, owned
from app.business.billing.services.new_accounts import open_account
from app.business.errors import Conflict, NotFound
from app.business.planner.models import Site
from app.commands.refusals import plain_refusals
from app.infrastructure.database import transaction

api_key = AppGroup("api-key", help="Keys of the REST API.")
password_from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input (one line)."
)


def register(app: Flask) -> None:
    for command in (create_account, reset_password, end_second_factor, api_key):
        app.cli.add_command(command)


@click.command("create-account")
@click.argument("name")
@click.option("--email", required=True, help="Address of the owner, who signs in with it.")
@password_from_stdin
@click.option("--plan", default="starter", show_default=True)
@click.option("--timezone", default="UTC", show_default=True)
@with_appcontext
@plain_refusals
def create_account(name: str, email: str, password_stdin: bool, plan: str, timezone: str) -> None:
    """Make an account with its owner and its first month's credits.

    Without --password-stdin it prints a one-use sign-in link instead.
    """
    password, now = _password(password_stdin), datetime.now(UTC)
    with transaction() as session:
        account, owner = open_account(
            session, name=name, email=email, password=password, plan=plan, timezone=timezone, now=now
        )
        audit_log.record(session, account.id, audit_log.AuditActor(), "account.made", account, None, now)
        token = None if password else welcome.issue_for(session, owner, now)
    click.echo(f"Made the account “{account.name}” with the owner {owner.email}.", err=True)
    if token:
        click.echo(f"Sign in: {current_app.extensions['settings'].site_url}/welcome/{token}")


@click.command("reset-password")
@click.option("--email", required=True)
@password_from_stdin
@click.option("--keep-keys", is_flag=True, help="Let the person's API keys go on working.")
@click.option("--keep-passkeys", is_flag=True, help="Let the person's passkeys go on signing in.")
@with_appcontext
@plain_refusals
def reset_password(email: str, password_stdin: bool, keep_keys: bool, keep_passkeys: bool) -> None:
    """Give a person a new password, sign them out everywhere, end their API keys and remove their passkeys."""
    password, now = _password(password_stdin), datetime.now(UTC)
    if password is None:
        raise click.UsageError("Add --password-stdin and pass the new password on standard input.")
    with transaction() as session:
        user = team.person_with(session, email)
        sign_in.set_password(session, user, password, now)
        working = api_keys.count_of(session, user)
        ended = 0 if keep_keys else api_keys.revoke_all(session, user, audit_log.AuditActor(), now)
        held = passkeys.count_of(session, user)
        removed = 0 if keep_passkeys else passkeys.remove_all(session, user)
        data = {"keys_ended": ended, "passkeys_removed": removed}
        audit_log.record(
            session, user.account_id, audit_log.AuditActor(), "user.password_reset", user, data, now
        )
    keys = f"API keys ended: {ended}, still working: {working - ended}."
    keys += f" Passkeys removed: {removed}, still working: {held - removed}." if held else ""
    click.echo(f"{user.email} has a new password and is signed out everywhere. {keys}", err=True)


@click.command("end-second-factor")
@click.option("--email", required=True)
@with_appcontext
@plain_refusals
def end_second_factor(email: str) -> None:
    """Switch off the second factor of a person who lost it, such as the only owner, and sign them out everywhere.

    Their passkeys are removed as well.
    """
    with transaction() as session:
        user = team.person_with(session, email)
        is_off, removed = second_factor.switch_off(session, user), passkeys.remove_all(session, user)
        if not (is_off or removed):
            raise Conflict(f"{user.email} has no second factor and no passkey.")
        sign_in.end_all(session, user)
        audit_log.record(
            session,
            user.account_id,
            audit_log.AuditActor(),
            "user.second_factor_off",
            user,
            {"passkeys_removed": removed} if removed else None,
            datetime.now(UTC),
        )
        how = "signs in with the password alone now"
        if user.password_hash is None:
            how = "has no password: reset-password gives them one. They cannot sign in until then"
    gone = f" Passkeys removed: {removed}." if removed else ""
    click.echo(f"{user.email} {how}.{gone} API keys were not touched.", err=True)


@api_key.command("create")
@click.option("--email", required=True, help="The key acts with this person's role.")
@click.option("--name", required=True, help="What will use it.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in KeyScope]),
    help="May be repeated. Without one the key may do all that the person's role may.",
)
@click.option("--site", "sites", multiple=True, type=int, help="Number of a site; may be repeated. Else all.")
@click.option(
    "--expires-on", type=click.DateTime(["%Y-%m-%d"]), help="Its last day, in the account's time zone."
)
@click.option("--requests-per-minute", type=click.IntRange(1, api_keys.MOST_REQUESTS))
@click.option("--changes-per-minute", type=click.IntRange(1, api_keys.MOST_CHANGES))
@plain_refusals
def create_key(
    email: str,
    name: str,
    scopes: tuple[str, ...],
    sites: tuple[int, ...],
    expires_on: datetime | None,
    requests_per_minute: int | None,
    changes_per_minute: int | None,
) -> None:
    """Make a key and print it, alone, on standard output."""
    now = datetime.now(UTC)
    with transaction() as session:
        user = team.person_with(session, email)
        _require_sites(session, user, sites)
        last = expires_on.date() if expires_on else None
        limits = KeyLimits(
            [KeyScope(scope) for scope in scopes] or None,
            sites or None,
            api_keys.end_of_day(last, user.account.timezone),
            requests_per_minute,
            changes_per_minute,
        )
        key, secret = api_keys.issue(session, user, name, now, limits)
        audit_log.record(
            session, user.account_id, audit_log.AuditActor(), "api_key.made", key, api_keys.audited(key), now
        )
    click.echo(secret)


def _require_sites(session: Session, user: User, sites: tuple[int, ...]) -> None:
    for site in sites:
        try:
            owned(session, Site, site, Scope(user.account_id))
        except NotFound:
            raise NotFound(f"The account has no site with the number {site}.") from None


def _password(from_stdin: bool) -> str | None:
    if not from_stdin:
        return None
    return sys.stdin.readline().rstrip("\r\n")
