"""HTTP transport that enforces the outbound policy: resolves a name once, connects to the checked address, and limits
the size and duration of answers."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore2 as httpcore
import httpx2 as httpx

from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port -> IP addresses, the preferred one first. Raises OSError."""
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Bounds:
    """Seconds to connect, without data, and of the whole exchange; size of the answer in bytes."""

    connect: float = 10
    silence: float = 30
    total: float = 120
    size: int = MEGABYTE

    @property
    def timeout(self) -> httpx.Timeout:
        """The same for each single operation of httpx."""
        return httpx.Timeout(self.silence, connect=self.connect)


class AnswerTooLarge(Exception):
    """More bytes than the bounds allow, or compressed although the request asked for plain text."""


def outbound_client(
    policy: OutboundPolicy,
    bounds: Bounds,
    *,
    follow_redirects: bool = False,
    transport: httpx.BaseTransport | None = None,
) -> httpx.Client:
    """A client that checks the policy for each request. Redirects stay on the same host."""
    return httpx.Client(
        transport=transport or OutboundTransport(policy, bounds),
        timeout=bounds.timeout,
        headers={"Accept-Encoding": "identity"},
        follow_redirects=follow_redirects,
        max_redirects=3,
        # Proxy settings and .netrc of this machine must not apply to addresses entered by users.
        trust_env=False,
    )


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the resolver of this machine."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class OutboundTransport(httpx.HTTPTransport):
    """Raises OutboundRefused, AnswerTooLarge, and what httpx raises."""

    def __init__(
        self,
        policy: OutboundPolicy,
        bounds: Bounds,
        *,
        resolve: Resolve = system_resolve,
        dial: httpcore.NetworkBackend | None = None,
    ) -> None:
        super().__init__(verify=_tls())
        self.policy = policy
        # By default the pool resolves names by itself.
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(),
            # A keep-alive connection would outlive the check of its address.
            max_keepalive_connections=0,
            network_backend=_CheckedDial(policy, bounds, resolve, dial or httpcore.SyncBackend()),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As in httpx, for addresses that the policy allows."""
        self.policy.check(request.url)
        response = super().handle_request(request)
        try:
            _check_answer(request, response)
        except BaseException:
            response.close()
            raise
        return response


def _check_answer(request: httpx.Request, response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerTooLarge
    if response.has_redirect_location:
        target = request.url.join(response.headers["location"])
        if (target.scheme, target.host, target.port) != (
            request.url.scheme,
            request.url.host,
            request.url.port,
        ):
            raise OutboundRefused("The service redirects to another address. Use its final address.")


class _CheckedDial(httpcore.NetworkBackend):
    """Resolves a name once and connects to the checked address."""

    def __init__(
        self, policy: OutboundPolicy, bounds: Bounds, resolve: Resolve, dial: httpcore.NetworkBackend
    ) -> None:
        self.policy, self.bounds, self.resolve, self.dial = policy, bounds, resolve, dial

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """The first address that answers, all within the time to connect."""
        begun = time.monotonic()
        found = _in_time(lambda: self.resolve(host, port), self.bounds.connect)
        last: Exception = httpcore.ConnectError("no address")
        for address in self.policy.check_resolved(host, port, found):
            left = begun + self.bounds.connect - time.monotonic()
            if left <= 0:
                break
            try:
                stream = self.dial.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
            else:
                return _BoundedStream(stream, begun + self.bounds.total, self.bounds.size)
        raise last


class _BoundedStream(httpcore.NetworkStream):
    """A connection for one exchange that reads at most `size` bytes until `deadline`."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float, size: int) -> None:
        self.stream, self.deadline, self.left = stream, deadline, size

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As httpcore reads."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise httpcore.ReadTimeout("the answer took too long in all")
        chunk = self.stream.read(max_bytes, remaining if timeout is None else min(timeout, remaining))
        self.left -= len(chunk)
        if self.left < 0:
            raise AnswerTooLarge
        return chunk

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As httpcore writes."""
        self.stream.write(buffer, timeout)

    def close(self) -> None:
        """As httpcore closes."""
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The certificate is checked against the host name, not the address."""
        stream = self.stream.start_tls(ssl_context, server_hostname, timeout)
        return _BoundedStream(stream, self.deadline, self.left)

    def get_extra_info(self, info: str) -> Any:
        """As httpcore knows it."""
        return self.stream.get_extra_info(info)


def _in_time(look_up: Callable[[], Sequence[str]], seconds: float) -> Sequence[str]:
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resolve")
    try:
        return pool.submit(look_up).result(timeout=seconds)
    except TimeoutError:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from None
    except OSError as error:
        raise httpcore.ConnectError(f"the name was not resolved: {error.strerror or error}") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
