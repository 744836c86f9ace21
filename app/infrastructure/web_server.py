"""The web process: a threaded server whose threads never wait for a slow client, configured here and nowhere else."""

import ctypes
import errno
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import structlog
from waitress.adjustments import Adjustments

from app.infrastructure.fair_threads import CallerOf, FairThreads, ThreadBounds, by_address
from app.infrastructure.http_connections import HttpServer
from app.settings import Settings

log = structlog.get_logger(__name__)

BOUNDS = ThreadBounds()
MEGABYTE = 2**20
LARGEST_HEADERS = 32 * 1024
LARGEST_BODY = 16 * MEGABYTE
"""The application refuses from 6 MB on, with a plain message; larger requests are not even read."""
MOST_CONNECTIONS = 2000
FILES_PER_CONNECTION = 3
"""The process itself, and large requests or answers buffered on disk."""
OTHER_FILES = 200
NEVER = 2**40
M_ARENA_MAX, HEAPS = -8, 2
"""glibc's number of an option, and its value."""
SWITCH_SECONDS = 0.001
"""A computing thread yields after this; the default of 5 ms, times sixteen, delays all reading."""


class CannotListen(Exception):
    """HOST and PORT cannot be used; the message says why."""


def warn_of_settings(settings: Settings) -> None:
    """Log one line for each setting that does not do what one might expect."""
    if settings.without_effect:
        log.warning(
            "settings_without_effect", names=settings.without_effect, message="Nothing reads them yet."
        )
    if settings.takes_own_addresses:
        log.warning(
            "public_url_missing",
            host=settings.host,
            message=f"Links lead to {settings.site_url}: set PUBLIC_URL to the address that people use.",
        )


def listen(settings: Settings) -> socket.socket:
    """A socket bound to HOST and PORT. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address, every = (settings.host, settings.port), settings.host == "::"
    try:
        return socket.create_server(
            address, family=family, dualstack_ipv6=every and socket.has_dualstack_ipv6()
        )
    except OSError as error:
        # An unknown host name has no errno of the system.
        number = error.errno or -1
        why = os.strerror(number) if number > 0 else "nobody knows this name"
        is_elsewhere = number < 0 or number == errno.EADDRNOTAVAIL
        do = (
            "HOST must be a name or an address of this machine."
            if is_elsewhere
            else f"Stop what uses it, or choose another, for example PORT={settings.port + 1}."
        )
        raise CannotListen(f"Cannot listen on {settings.host} port {settings.port}: {why}. {do}") from None


class WebServer:
    """Serves one WSGI application, already built."""

    def __init__(
        self, application: Callable[..., Any], settings: Settings, caller_of: CallerOf = by_address
    ) -> None:
        self.application, self.settings, self.caller_of = application, settings, caller_of

    def run(self) -> None:
        """Until SIGTERM or SIGINT, and requests in progress are answered. Raises CannotListen."""
        _share_heaps()
        server = self.open()
        sys.setswitchinterval(SWITCH_SECONDS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.ask_to_stop)
        server.serve()

    def open(self) -> HttpServer:
        """The server, listening. Raises CannotListen."""
        bound = listen(self.settings)
        return HttpServer(
            self.application,
            map={},
            _sock=bound,
            dispatcher=FairThreads(self.caller_of, BOUNDS),
            adj=_adjustments(bound),
            bind_socket=False,
            sockinfo=(bound.family, bound.type, bound.proto, bound.getsockname()),
        )


def _share_heaps() -> None:
    """Let the threads take memory from a few heaps (glibc; elsewhere no effect).

    By default each gets one of its own, and keeps what its largest answer needed; Python's threads hardly ever want
    memory at the same moment.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_ARENA_MAX, HEAPS)


def _adjustments(bound: socket.socket) -> Adjustments:
    """The settings that differ from waitress's own."""
    return Adjustments(
        sockets=[bound],
        threads=BOUNDS.threads,
        connection_limit=min(MOST_CONNECTIONS, (_open_files() - OTHER_FILES) // FILES_PER_CONNECTION),
        cleanup_interval=1,
        recv_bytes=65536,
        max_request_header_size=LARGEST_HEADERS,
        max_request_body_size=LARGEST_BODY,
        # A thread never waits for a client: what the client has not read is buffered in memory, then on disk.
        outbuf_high_watermark=NEVER,
        outbuf_overflow=MEGABYTE // 2,
        # The application reads forwarded headers once, as TRUSTED_PROXIES says.
        clear_untrusted_proxy_headers=False,
        ident="",
        # A client that disconnects in the middle is no fault of ours.
        log_socket_errors=False,
    )


def _open_files() -> int:
    """How many files this process may have open, raised as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS * FILES_PER_CONNECTION + OTHER_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
