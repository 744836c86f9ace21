"""Trying the mail server from the command line."""

import secrets
from datetime import UTC, datetime

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.business.outlets.services.mails import ClaimedMail, MailItem
from app.infrastructure.mail.message import message_of
from app.infrastructure.mail.server import MailServer
from app.settings import Settings

TEXT = "Mail leaves this installation: invitations, links for passwords and messages of rules arrive."


def register(app: Flask) -> None:
    app.cli.add_command(send_test_mail)


@click.command("send-test-mail")
@click.argument("to")
@with_appcontext
def send_test_mail(to: str) -> None:
    """Send a mail to TO now, by the server of SMTP_URL, and say what came of it."""
    settings: Settings = current_app.extensions["settings"]
    if not settings.smtp_url.get_secret_value():
        raise click.ClickException("Set SMTP_URL and MAIL_FROM first: this installation sends no mail.")
    mail = ClaimedMail(
        id=0,
        account_id=0,
        account_name="Test",
        token="",
        address=to,
        kind="test",
        subject="A test mail",
        entries=(MailItem("A test mail", TEXT, "/", "Open the console"),),
        link_sealed="",
        message_id=secrets.token_hex(16),
        created_at=datetime.now(UTC),
    )
    sent = MailServer.of(settings.smtp_url.get_secret_value()).send(message_of(mail, settings))
    if sent.message:
        raise click.ClickException(sent.message)
    click.echo(f"Sent to {to}.", err=True)
