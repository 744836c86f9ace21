"""Which addresses entered by users this installation may connect to (protection against SSRF)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpx2 as httpx

from app.infrastructure.outbound.addresses import is_public, is_unusual_notation, parse_address
from app.settings import Settings

PORTS = (80, 443)
DEFAULT_PORTS = {"http": 80, "https": 443, "smtp": 587, "smtps": 465}
ASK_THE_OPERATOR = "Whoever runs this installation can allow it with OUTBOUND_ALLOW."
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?", re.IGNORECASE)


class OutboundRefused(Exception):
    """The policy forbids the address; the message is a sentence for the user who entered it."""


@dataclass(frozen=True)
class OutboundPolicy:
    """https to public addresses on ports 80 and 443; `allowed` hosts and ports are exempt."""

    allowed: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def of(cls, settings: Settings, *own_addresses: str) -> Self:
        """Allows OUTBOUND_ALLOW and addresses of other settings, which the operator has chosen."""
        listed = (_host_and_port(f"//{entry}") for entry in settings.outbound_allow)
        own = (_host_and_port(address) for address in own_addresses if address)
        return cls(frozenset([*listed, *own]))

    def is_exempt(self, host: str, port: int) -> bool:
        """Whether the settings name this host and port."""
        return (_canonical(host), port) in self.allowed

    def check(self, address: str | httpx.URL) -> None:
        """Raises OutboundRefused for what is known without DNS; the resolved address is checked when connecting."""
        try:
            url = httpx.URL(address)
            host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS.get(url.scheme, 0)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise OutboundRefused("This is not a web address.") from None
        if url.scheme not in ("http", "https") or not host:
            raise OutboundRefused("The address must be a whole one and start with https://.")
        if url.userinfo:
            raise OutboundRefused("Leave user name and password out of the address.")
        if not self.is_exempt(host, port):
            _check_parts(url.scheme, host, port)

    def check_resolved(self, host: str, port: int, addresses: Iterable[str]) -> list[str]:
        """The addresses to connect to. Raises OutboundRefused if any of them is not public."""
        found = list(dict.fromkeys(addresses))
        if not self.is_exempt(host, port):
            for text in found:
                address = parse_address(text)
                if address is None or not is_public(address):
                    raise _inside()
        return found


def _check_parts(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise OutboundRefused(f"The address must start with https://. {ASK_THE_OPERATOR}")
    if port not in PORTS:
        raise OutboundRefused(f"Only the ports 80 and 443 may be used, not {port}. {ASK_THE_OPERATOR}")
    literal = parse_address(host)
    if literal is None and (is_unusual_notation(host) or not _NAME.fullmatch(host)):
        raise OutboundRefused("The host in this address is neither a name nor a usual IP address.")
    if (literal is not None and not is_public(literal)) or _is_this_machine(host):
        raise _inside()


def _is_this_machine(host: str) -> bool:
    name = _canonical(host)
    return name == "localhost" or name.endswith(".localhost")


def _inside() -> OutboundRefused:
    return OutboundRefused(f"The address leads into a private or reserved network. {ASK_THE_OPERATOR}")


def _host_and_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return _canonical(parts.hostname or ""), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def _canonical(host: str) -> str:
    bare = host.strip("[]").rstrip(".").lower()
    literal = parse_address(bare)
    return str(literal) if literal else bare
