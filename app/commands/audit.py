"""The product's own check of its books."""

import sys
from datetime import UTC, datetime

import click
from flask import Flask

from app.business.automation.services.auditing.invariants import audit as find_breaches
from app.commands.refusals import plain_refusals
from app.infrastructure.database import only_reading, transaction


def register(app: Flask) -> None:
    app.cli.add_command(audit)


@click.command("audit")
@plain_refusals
def audit() -> None:
    """Check every invariant; ends with 1 and names the rows where one does not hold."""
    with only_reading(), transaction() as session:
        breaches = find_breaches(session, datetime.now(UTC))
    for breach in breaches:
        click.echo(f"{breach.name}: {breach.sentence} Broken by: {'; '.join(breach.rows)}", err=True)
    if breaches:
        sys.exit(1)
    click.echo("All invariants hold.")
