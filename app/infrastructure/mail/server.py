"""The mail server of SMTP_URL. Every failure becomes a sentence for the operator of the installation."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Self
from urllib.parse import unquote, urlsplit

from app.business.outlets.services.mails import Sent
from app.business.plain_characters import without_faults
from app.infrastructure.outbound.policy import DEFAULT_PORTS

SECONDS = 30
DETAIL_LIMIT = 200


@dataclass(frozen=True)
class MailServer:
    """The SMTP server. is_tls: implicit TLS (`smtps`), else STARTTLS if offered."""

    host: str
    port: int
    is_tls: bool
    user: str = ""
    password: str = field(default="", repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """From `smtp://user:password@host:587` or `smtps://…`."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or DEFAULT_PORTS[parts.scheme],
            is_tls=parts.scheme == "smtps",
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    def send(self, message: EmailMessage) -> Sent:
        """One attempt."""
        try:
            with self._connected() as server:
                server.send_message(message)
        except smtplib.SMTPException as error:
            return _fault(error)
        except ssl.SSLError as error:
            return Sent(
                f"The connection to the mail server is not safe: {_plain(error.reason)}", is_outage=True
            )
        except TimeoutError:
            return Sent("The mail server did not answer in time.", is_outage=True)
        except (OSError, socket.gaierror) as error:
            return Sent(f"The mail server could not be reached: {_plain(error.strerror)}", is_outage=True)
        return Sent()

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        context = self.context or ssl.create_default_context()
        server = (
            smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
            if self.is_tls
            else smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        )
        try:
            if not self.is_tls:
                self._protect(server, context)
            if self.user:
                server.login(self.user, self.password)
            yield server
        finally:
            # An error of QUIT must not hide an earlier one.
            server.close()

    def _protect(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif self.user:
            raise smtplib.SMTPNotSupportedError("no STARTTLS")


def _fault(error: smtplib.SMTPException) -> Sent:
    match error:
        case smtplib.SMTPAuthenticationError():
            return Sent("The mail server does not accept the user or password of SMTP_URL.", is_outage=True)
        case smtplib.SMTPNotSupportedError():
            return Sent(
                "The mail server offers no STARTTLS, so the password of SMTP_URL was not sent. Use smtps://.",
                is_outage=True,
            )
        case smtplib.SMTPRecipientsRefused():
            code, why = next(iter(error.recipients.values()))
            return Sent(f"The mail server refuses this address: {code} {_plain(why)}", is_final=code >= 500)
        case smtplib.SMTPSenderRefused():
            return Sent(
                f"The mail server refuses MAIL_FROM as sender: {error.smtp_code} {_plain(error.smtp_error)}",
                is_outage=True,
            )
        case smtplib.SMTPResponseException():
            said = f"The mail server answered {error.smtp_code}: {_plain(error.smtp_error)}"
            return Sent(said, is_final=error.smtp_code >= 500)
    return Sent("The mail server broke off the connection.", is_outage=True)


def _plain(text: object) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text or "no reason given")
    return " ".join(without_faults(said).split())[:DETAIL_LIMIT]
