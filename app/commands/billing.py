"""Credits from the command line."""

from datetime import UTC, datetime
from uuid import uuid4

import click
from flask import Flask
from flask.cli import with_appcontext

from app.business.accounts.services import audit_log, team
from app.business.billing.models import EntryKind
from app.business.billing.services import plan_changes
from app.business.billing.services.credit_service import CreditService
from app.commands.refusals import plain_refusals
from app.infrastructure.database import transaction


def register(app: Flask) -> None:
    app.cli.add_command(add_credits)
    app.cli.add_command(change_plan)


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
            audit_log.AuditActor(),
            "credits.adjusted",
            user.account,
            {"amount": amount},
            now,
        )
        balance = credits.balance_of(session, user.account_id)
    click.echo(f"{amount:+,} credits: {user.account.name} now has {balance.balance:,}.", err=True)


@click.command("change-plan")
@click.option("--email", required=True, help="Address of anybody of the account.")
@click.option("--plan", required=True, help="Code of the new plan: starter, growth or scale.")
@with_appcontext
@plain_refusals
def change_plan(email: str, plan: str) -> None:
    """Move an account to another plan; a bigger one gives the difference for this month at once."""
    now = datetime.now(UTC)
    with transaction() as session:
        account = team.person_with(session, email).account
        added = plan_changes.change_plan(session, account, plan, now)
        audit_log.record(
            session, account.id, audit_log.AuditActor(), "plan.changed", account, {"plan": plan}, now
        )
        balance = CreditService().balance_of(session, account.id)
    click.echo(
        f"{account.name} is on the plan {plan}: {added:+,} credits, {balance.balance:,} now.", err=True
    )
