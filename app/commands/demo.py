"""The demo account from the command line."""

from datetime import UTC, datetime

import click
from flask import Flask

from app.commands.refusals import plain_refusals
from app.infrastructure.database import transaction


def register(app: Flask) -> None:
    app.cli.add_command(demo)


@click.command("demo")
@click.option("--reset", is_flag=True, help="Close the demo account that is there and make a fresh one.")
@plain_refusals
def demo(reset: bool) -> None:
    """Load the demo account, with a month of history, where there is none.

    Other accounts are never touched. Its owner, demo@example.com, has no password: the link that `up` prints
    at its start signs in.
    """
    # Imported here so that other commands and every start do not load the demo.
    from app.demo.loading import load_demo, reset_demo

    now = datetime.now(UTC)
    if reset:
        reset_demo(transaction, now)
        click.echo("The old demo account is closed; a fresh one is loaded.", err=True)
    elif load_demo(transaction, now):
        click.echo("The demo account is loaded.", err=True)
    else:
        click.echo("There is a demo account already; --reset replaces it.", err=True)
