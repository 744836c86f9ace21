"""Which host names requests may use: foreign names that lead here are refused."""

import contextlib
import ipaddress
import socket
from functools import cache
from urllib.parse import urlsplit

from flask import Flask, request

from app.business.errors import Refusal
from app.modules.refusal_log import note_refusal
from app.settings import Settings

ANY_HOST = ("system.healthz", "system.readyz", "system.metrics")
"""Asked by machines under whatever address they know; nothing in these answers is for a browser."""


class UnknownHost(Refusal):
    """The request names a host that this console does not accept."""

    status = 400
    code = "unknown_host"


def init_hosts(app: Flask, settings: Settings) -> None:
    """Refuse requests under other names; call it before anything else reads requests."""

    def check() -> None:
        name = host_name(request.host)
        if request.endpoint not in ANY_HOST and not is_known(name, settings):
            note_refusal("unknown host", repr(name)[:100])
            raise UnknownHost(f"This console is reached at {settings.site_url}. Open it there.")

    app.before_request(check)


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; empty when there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_known(name: str, settings: Settings) -> bool:
    """Whether the console answers under `name`: PUBLIC_URL's, loopback, and this machine's own where HOST allows it."""
    if name == "localhost" or _is_loopback(name):
        return True
    if settings.public_url:
        return name == host_name(urlsplit(settings.public_url).netloc)
    return settings.takes_own_addresses and (name in _names_of_this_machine() or _is_own_address(name))


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@cache
def _names_of_this_machine() -> frozenset[str]:
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})


def _is_own_address(name: str) -> bool:
    """Only an address of this machine can be bound here."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return not address.is_unspecified
    return False
