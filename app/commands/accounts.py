"""Accounts, passwords and API keys from the command line."""

import sys
from datetime import UTC, datetime

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from app.business.accounts.services import api_keys, audit_log, sign_in, team, welcome
from app.business.billing.services.new_accounts import open_account
from app.commands.refusals import plain_refusals
from app.infrastructure.database import transaction

api_key = AppGroup("api-key", help="Keys of the REST API.")
password_from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input (one line)."
)


def register(app: Flask) -> None:
    for command in (create_account, reset_password, api_key):
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
@with_appcontext
@plain_refusals
def reset_password(email: str, password_stdin: bool, keep_keys: bool) -> None:
    """Give a person a new password, sign them out everywhere and end their API keys."""
    password, now = _password(password_stdin), datetime.now(UTC)
    if password is None:
        raise click.UsageError("Add --password-stdin and pass the new password on standard input.")
    with transaction() as session:
        user = team.person_with(session, email)
        sign_in.set_password(session, user, password, now)
        working = api_keys.count_of(session, user)
        ended = 0 if keep_keys else api_keys.revoke_all(session, user, now)
        data = {"keys_ended": ended}
        audit_log.record(
            session, user.account_id, audit_log.AuditActor(), "user.password_reset", user, data, now
        )
    keys = f"API keys ended: {ended}, still working: {working - ended}."
    click.echo(f"{user.email} has a new password and is signed out everywhere. {keys}", err=True)


@api_key.command("create")
@click.option("--email", required=True, help="The key acts with this person's role.")
@click.option("--name", required=True, help="What will use it.")
@plain_refusals
def create_key(email: str, name: str) -> None:
    """Make a key and print it, alone, on standard output."""
    now = datetime.now(UTC)
    with transaction() as session:
        user = team.person_with(session, email)
        key, secret = api_keys.issue(session, user, name, now)
        audit_log.record(
            session, user.account_id, audit_log.AuditActor(), "api_key.made", key, {"name": name}, now
        )
    click.echo(secret)


def _password(from_stdin: bool) -> str | None:
    if not from_stdin:
        return None
    return sys.stdin.readline().rstrip("\r\n")
