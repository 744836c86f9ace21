"""Credits from the command line."""

from datetime import UTC, datetime
from uuid import uuid4

import click
from flask import Flask
from flask.cli import with_appcontext

from app.business.accounts.services import audit_log, team
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.commands.refusals import plain_refusals
from app.infrastructure.database import transaction


def register(app: Flask) -> None:
    """Add the commands of this file."""
    app.cli.add_command(add_credits)


@click.command("add-credits")
@click.option("--email", required=True, help="Address of anybody of the account.")
@click.option("--amount", required=True, type=click.IntRange(-1_000_000_000, 1_000_000_000))
@with_appcontext
@plain_refusals
def add_credits(email: str, amount: int) -> None:
    """Add credits to an account; a negative amount takes away, at most what is free."""
    if amount == 0:
        raise click.UsageError("--amount must not be 0.")
    now, credits = datetime.now(UTC), CreditService()
    with transaction() as session:
        user = team.person_with(session, email)
        credits.add(
            session,
            account_id=user.account_id,
            kind=EntryKind.ADJUST,
            amount=amount,
            key=f"adjust-{uuid4().hex}",
            reason="Added by the operator" if amount > 0 else "Taken away by the operator",
            now=now,
        )
        audit_log.record(
            session,
            user.account_id,
            audit_log.Actor(),
            "credits.adjusted",
            user.account,
            {"amount": amount},
            now,
        )
        balance = credits.balance_of(session, user.account_id)
    click.echo(f"{amount:+,} credits: {user.account.name} now has {balance.balance:,}.", err=True)
