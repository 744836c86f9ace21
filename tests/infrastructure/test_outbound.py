"""The outbound policy: which addresses are refused before any connection, and what bounds an answer."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from threading import Thread
from typing import Any

import httpcore2
import httpx2
import pytest

from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.outbound.transport import AnswerTooLarge, Bounds, OutboundTransport, outbound_client
from app.settings import Settings, SettingsError, load_settings

INNER = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "100.64.0.1", "100.127.255.254", "169.254.169.254", "169.254.0.1", "168.63.129.16", "192.0.0.8", "192.0.2.1",
    "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.0.1",
    "100.128.0.1",
    "192.167.0.1",
    "223.0.0.1",
]
INNER_IPV6 = [
    "::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "64:ff9b:1::1",
    "100::1", "::127.0.0.1", "5f00::1", "3fff::1",
]  # fmt: skip


def embedded(ipv4: str) -> list[str]:
    """IPv6 addresses that lead to the IPv4 one, or are tunnelled to it."""
    number = int(IPv4Address(ipv4))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    return [
        f"::ffff:{ipv4}",
        f"::ffff:{high}:{low}",
        f"64:ff9b::{ipv4}",
        f"2002:{high}:{low}::1",
        f"::{ipv4}",
    ]


def odd_notations(ipv4: str) -> list[str]:
    """The same IPv4 address as resolvers also read it."""
    number = int(IPv4Address(ipv4))
    a, b, c, d = IPv4Address(ipv4).packed
    return [
        str(number), hex(number), f"0{number:o}", f"{a}.{(b << 16) + (c << 8) + d}", f"{a}.{b}.{(c << 8) + d}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"0x{a:x}.{b}.0{c:o}.{d}", f"{ipv4}.",
    ]  # fmt: skip


class Listener:
    """Counts connections from outside and answers each with `answer`; refused addresses must not reach it."""

    def __init__(self, family: socket.AddressFamily, answer: Callable[[socket.socket], None]) -> None:
        self.server = socket.socket(family, socket.SOCK_STREAM)
        self.server.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.server.listen(50)
        self.answer, self.connections, self.requests = answer, 0, list[bytes]()
        self.thread = Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.getsockname()[1])

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    self.requests.append(connection.recv(65_536))
                    self.answer(connection)
                except OSError:
                    continue

    def stop(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()


def replies(head: str, body: bytes = b"") -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(
        f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


@contextmanager
def listening(
    answer: Callable[[socket.socket], None], family: socket.AddressFamily = socket.AF_INET
) -> Iterator[Listener]:
    listener = Listener(family, answer)
    try:
        yield listener
    finally:
        listener.stop()


class LedHome(httpcore2.SyncBackend):
    """Dials the listener whatever the address, and notes what was asked for: nothing leaves this machine."""

    def __init__(self, listener: Listener, deaf: Iterable[str] = ()) -> None:
        self.listener, self.deaf, self.dialled = listener, set(deaf), list[str]()

    def connect_tcp(self, host: str, port: int, *rest: Any, **options: Any) -> httpcore2.NetworkStream:
        self.dialled.append(host)
        if host in self.deaf:
            raise httpcore2.ConnectError("deaf")
        return super().connect_tcp("127.0.0.1", self.listener.port, *rest, **options)


def allowing(*entries: str) -> OutboundPolicy:
    return OutboundPolicy.of(Settings(outbound_allow=entries))


OK = replies("200 OK", b"fine")


@pytest.mark.parametrize(
    "host",
    [
        *INNER,
        *(odd for ip in ("127.0.0.1", "169.254.169.254", "10.0.0.1") for odd in odd_notations(ip)),
        *("localhost", "LOCALHOST.", "a.localhost"),
    ],
)
def test_inner_addresses_are_refused_in_every_notation_without_a_connection(host: str) -> None:
    with listening(OK) as listener, outbound_client(OutboundPolicy(), Bounds()) as client:
        for address in (
            f"https://{host}/",
            f"https://{host}:{listener.port}/",
            f"http://{host}:{listener.port}/",
        ):
            with pytest.raises(OutboundRefused):
                OutboundPolicy().check(address)
            with pytest.raises((OutboundRefused, httpx2.InvalidURL)):
                client.get(address)
        assert listener.connections == 0


@pytest.mark.parametrize("hosts", [INNER_IPV6, *map(embedded, INNER)], ids=["IPv6", *INNER])
def test_inner_ipv6_addresses_are_refused_mapped_and_tunnelled_ones_too(hosts: list[str]) -> None:
    for host in hosts:
        with pytest.raises(OutboundRefused):
            OutboundPolicy().check(f"https://[{host}]/")
        with pytest.raises(OutboundRefused):
            OutboundPolicy().check_resolved("example.com", 443, ["1.1.1.1", host])


@pytest.mark.parametrize("host", [*INNER, *INNER_IPV6])
def test_names_that_resolve_to_inner_addresses_are_refused_without_a_connection(host: str) -> None:
    with listening(OK) as listener:
        dial = LedHome(listener)
        transport = OutboundTransport(
            OutboundPolicy(), Bounds(), resolve=lambda *_: ["1.1.1.1", host], dial=dial
        )
        client = outbound_client(OutboundPolicy(), Bounds(), transport=transport)
        with client, pytest.raises(OutboundRefused, match="private or reserved"):
            client.get("https://innocent.example/")
        assert (dial.dialled, listener.connections) == ([], 0)


@pytest.mark.parametrize("host", [*PUBLIC, "[2606:4700::1111]", "[::ffff:8.8.8.8]", "[64:ff9b::8.8.8.8]", "example.com",
                                  "bücher.example", "a-b.c_d.example."])  # fmt: skip
def test_public_addresses_are_allowed_by_https_on_two_ports(host: str) -> None:
    policy = OutboundPolicy()
    for address in (f"https://{host}/v1", f"https://{host}:443", f"https://{host}:80/"):
        policy.check(address)
    for address in (f"http://{host}/v1", f"https://{host}:8443/", f"http://{host}:443/"):
        with pytest.raises(OutboundRefused, match="OUTBOUND_ALLOW"):
            policy.check(address)


@pytest.mark.parametrize("address", [
    "", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x",
    "https://", "https:///path", "https://me:secret@example.com/", "https://example.com\\@127.0.0.1/",
    "https://exa mple/",
    "https://127%2e0.0.1/", "https://①②⑦.0.0.1/", "https://127.0.0.1%00.example.com/", "https://[::1", "https://example.com:x/",
    "https://-.example/%0d%0a:x@/", "https://exa\r\nmple.com/", "https://[fe80::1%25eth0]/",
])  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(address: str) -> None:
    with pytest.raises(OutboundRefused):
        OutboundPolicy().check(address)


def test_a_name_is_resolved_once_and_that_address_is_dialled() -> None:
    answers = iter([["1.1.1.1"], ["127.0.0.1"], ["127.0.0.1"]])
    with listening(OK) as listener:
        dial, policy = LedHome(listener), allowing("fickle.example:8080")
        strict = OutboundTransport(OutboundPolicy(), Bounds(), resolve=lambda *_: next(answers), dial=dial)
        with outbound_client(policy, Bounds(), transport=strict) as client:
            # No certificate here: the handshake fails, but only after the checked address was dialled.
            with pytest.raises(httpx2.HTTPError):
                client.get("https://fickle.example/")
            assert (dial.dialled, listener.connections) == (["1.1.1.1"], 1)
            with pytest.raises(OutboundRefused):
                client.get("https://fickle.example/")
        assert (dial.dialled, listener.connections) == (["1.1.1.1"], 1)
    assert len(list(answers)) == 1, "asked once for each request"


def test_the_next_address_is_dialled_when_one_does_not_answer() -> None:
    with listening(OK) as listener:
        dial, policy = LedHome(listener, deaf=["2606:4700::1111"]), allowing("two.example:80")
        transport = OutboundTransport(
            policy, Bounds(), resolve=lambda *_: ["2606:4700::1111", "1.1.1.1"], dial=dial
        )
        with outbound_client(policy, Bounds(), transport=transport) as client:
            assert client.get("http://two.example/").text == "fine"
        assert dial.dialled == ["2606:4700::1111", "1.1.1.1"]
        assert b"Host: two.example\r\n" in listener.requests[0]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_what_the_operator_allows_is_reached_and_only_that(family: socket.AddressFamily) -> None:
    host = "[::1]" if family == socket.AF_INET6 else "127.0.0.1"
    with listening(OK, family) as listener, listening(OK, family) as other:
        policy = allowing(f"{host}:{listener.port}")
        with outbound_client(policy, Bounds()) as client:
            assert client.get(f"http://{host}:{listener.port}/x").text == "fine"
            for address in (
                f"http://{host}:{other.port}/",
                f"http://localhost:{listener.port}/",
                f"http://{host}/",
            ):
                with pytest.raises(OutboundRefused):
                    client.get(address)
        assert (listener.connections, other.connections) == (1, 0)


def test_the_address_of_another_setting_counts_as_allowed_where_it_is_named() -> None:
    for address, host, port in (
        ("http://127.0.0.1:11434/v1", "127.0.0.1", 11434),
        ("https://ai.internal/v1", "ai.internal", 443),
        ("smtp://user:secret@10.0.0.5", "10.0.0.5", 587),
    ):
        policy = OutboundPolicy.of(Settings(), address)
        assert policy.is_exempt(host, port)
        assert not policy.is_exempt(host, port + 1)
        assert not OutboundPolicy.of(Settings(ai_base_url="http://127.0.0.1:11434/v1")).allowed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed_to_another_address(status: int) -> None:
    with listening(OK) as other:
        for target in (
            f"http://127.0.0.1:{other.port}/",
            "http://169.254.169.254/latest",
            "https://example.com/",
            "//[::1]/",
        ):
            with listening(replies(f"{status} Moved\r\nLocation: {target}")) as listener:
                policy = allowing(f"127.0.0.1:{listener.port}", f"127.0.0.1:{other.port}")
                client = outbound_client(policy, Bounds(), follow_redirects=True)
                with client, pytest.raises(OutboundRefused, match="redirects"):
                    client.get(f"http://127.0.0.1:{listener.port}/")
                assert listener.connections == 1
        assert other.connections == 0


def test_redirects_on_the_same_host_are_followed_a_few_times() -> None:
    with listening(replies("302 Found\r\nLocation: /there")) as listener:
        client = outbound_client(allowing(f"127.0.0.1:{listener.port}"), Bounds(), follow_redirects=True)
        with client, pytest.raises(httpx2.TooManyRedirects):
            client.get(f"http://127.0.0.1:{listener.port}/")
        assert listener.connections == 4


def drips(start: bytes, each: bytes) -> Callable[[socket.socket], None]:
    """One piece now and then, each one in time."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(100):
            connection.sendall(each)
            time.sleep(0.02)

    return answer


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
ONE_CHUNK = b"1388\r\n" + b"x" * 5_000 + b"\r\n0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "bounds", "fault"),
    [
        (drips(LONG, b"x"), Bounds(total=0.2), httpx2.ReadTimeout),
        (drips(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), Bounds(total=0.2), httpx2.ReadTimeout),
        (drips(CHUNKED, b"1\r\nx\r\n"), Bounds(total=0.2), httpx2.ReadTimeout),
        (lambda connection: time.sleep(0.4), Bounds(silence=0.1), httpx2.ReadTimeout),
        (replies("200 OK", b"x" * 5_000), Bounds(size=4_000), AnswerTooLarge),
        (lambda c: c.sendall(CHUNKED + ONE_CHUNK), Bounds(size=4_000), AnswerTooLarge),
        (replies("200 OK\r\nContent-Encoding: gzip", b"zip"), Bounds(), AnswerTooLarge),
    ],
    ids=["drip", "dripping headers", "dripping chunks", "silence", "too large", "too large in chunks", "compressed"],
)  # fmt: skip
def test_answers_are_bounded_in_size_and_time(
    answer: Callable[[socket.socket], None], bounds: Bounds, fault: type[Exception]
) -> None:
    with listening(answer) as listener:
        policy = allowing(f"127.0.0.1:{listener.port}")
        with outbound_client(policy, bounds) as client, pytest.raises(fault):
            client.get(f"http://127.0.0.1:{listener.port}/")


def test_a_name_that_takes_too_long_or_does_not_exist_is_a_fault_of_the_connection() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    def slow(host: str, port: int) -> list[str]:
        time.sleep(0.3)
        return ["1.1.1.1"]

    for resolve, fault in (
        (unknown, httpx2.ConnectError),
        (slow, httpx2.ConnectTimeout),
        (lambda *_: [], httpx2.ConnectError),
    ):
        transport = OutboundTransport(OutboundPolicy(), Bounds(connect=0.1), resolve=resolve)
        with outbound_client(OutboundPolicy(), Bounds(), transport=transport) as client, pytest.raises(fault):
            client.get("https://example.com/")


@pytest.mark.parametrize(
    "entries",
    ["inner", "inner:", "inner:x", "inner:70000", "http://inner:80", "a@inner:80", "inner:80/x", ":80"],
)
def test_an_unreadable_exemption_stops_the_start(monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    monkeypatch.setenv("OUTBOUND_ALLOW", f"fine.example:8080,{entries}")
    with pytest.raises(SettingsError, match="OUTBOUND_ALLOW"):
        load_settings()


def test_exemptions_are_read_in_every_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_ALLOW", "Inner.Example:8080, [::1]:9000,10.0.0.1:80")
    policy = OutboundPolicy.of(load_settings())
    for address in ("http://inner.EXAMPLE.:8080/", "http://[0:0:0:0:0:0:0:1]:9000/", "http://10.0.0.1/"):
        policy.check(address)
