"""HTTP connections of the web process: one thread reads requests and writes answers, however slow the client is.

Threads that execute requests get complete ones and leave complete answers behind. What takes too long to send or to
fetch is closed; where connections run out, the slowest one is closed for a new one.
"""

import json
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from types import FrameType
from typing import Any

import structlog
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestEntityTooLarge

from app.infrastructure.process_life import stopping

HEADER_SECONDS = 30
"""From the first byte to the end of the headers; also from connecting to the first byte."""
REQUEST_SECONDS = 300
"""From the first byte to the last one of the body."""
ANSWER_SECONDS = 300
"""From the end of the work to the last byte fetched."""
LINGER_SECONDS = 30
"""After a refusal, remaining input is read and dropped: a connection closed at once would lose the answer too."""
IDLE_SECONDS = 75
"""Between two requests; longer than proxies keep their connections, so that they do not send into a closed one."""
DRAINED_IDLE_SECONDS = 0.3
DRAINED_REQUEST_SECONDS = 5
GRACE_SECONDS = 30
"""Requests being answered get this long at a stop."""
TICK_SECONDS = 0.5
IDLE = "idle"
SPARE = 8
"""Entries of the loop that are no connections, and room to accept the one for which another is closed."""
WORDS = {
    HTTPStatus.BAD_REQUEST: "The request is not complete or not valid HTTP. Nothing was saved.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "This is too large: a file has at most 5 MB. Nothing was saved.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers of the request are too large.",
    HTTPStatus.NOT_IMPLEMENTED: "This transfer encoding is not known here.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many of your requests, or of everybody's, are at work at the moment. "
    "Nothing was saved. Try again in 10 seconds.",
}

log = structlog.get_logger(__name__)


class ResponseTask(WSGITask):  # type: ignore[misc]
    """The application's answer; while draining it is the last one of its connection."""

    def build_response_header(self) -> bytes:
        if self.channel.server.is_draining:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class RefusalTask(ErrorTask):  # type: ignore[misc]
    """The answer to input that is no request: a problem document for programs, a sentence for others."""

    def execute(self) -> None:
        """Write the answer; the connection closes after it."""
        code = HTTPStatus(self.request.error.code)
        words = WORDS.get(code, code.phrase)
        kind, body = "text/plain; charset=utf-8", f"{words}\n"
        if getattr(self.request, "path", "").startswith("/api/"):
            name = code.name.lower()
            problem = {
                "type": f"/api/docs#{name}",
                "title": code.phrase,
                "status": code,
                "code": name,
                "detail": words,
            }
            kind, body = "application/problem+json", json.dumps(problem)
        log.info(
            "request_refused", code=code, address=self.channel.addr[0], why=str(self.request.error.body)[:200]
        )
        self.channel.is_refused = True
        self.status = f"{code:d} {code.phrase}"
        self.response_headers.append(("Content-Type", kind))
        if seconds := getattr(self.request.error, "retry_after", None):
            self.response_headers.append(("Retry-After", str(seconds)))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body.encode())


class BoundedRequest(HTTPRequestParser):  # type: ignore[misc]
    """A request being read; a chunk that announces too many bytes is refused at once."""

    completed: bool = False

    def received(self, data: bytes) -> int:
        """Take bytes and return how many belonged to the request."""
        consumed: int = super().received(data)
        if (
            not self.completed
            and getattr(self.body_rcv, "chunk_remainder", 0) > self.adj.max_request_body_size
        ):
            self.error = RequestEntityTooLarge("a chunk is larger than a body may be")
            self.completed = True
        return consumed


class Connection(HTTPChannel):  # type: ignore[misc]
    """One connection, and since when it is in its present state."""

    parser_class = BoundedRequest
    task_class = ResponseTask
    error_task_class = RefusalTask
    request: Any = None
    last_activity: float = 0.0
    request_began_at = 0.0
    flushing_since = 0.0
    is_refused = False
    lingers_since = 0.0

    def received(self, data: bytes) -> bool:
        """Take bytes; note when a request begins."""
        before = self.request
        is_open: bool = super().received(data)
        if self.request is not before:
            self.request_began_at = time.time()
        return is_open

    def readable(self) -> bool:
        """Whether to read more: not while a request is being executed."""
        return bool(self.lingers_since or super().readable())

    def writable(self) -> bool:
        """Whether something has to be sent or done."""
        return not self.lingers_since and bool(super().writable())

    def handle_read(self) -> None:
        """Read; drop what comes after a refusal."""
        if self.lingers_since:
            self.recv(self.adj.recv_bytes)
        else:
            super().handle_read()

    def handle_write(self) -> None:
        """Send; after a refusal wait for the other side to close."""
        if not (self.is_refused and self.close_when_flushed):
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.will_close:
            self.handle_close()
        elif not self.total_outbufs_len:
            self._linger()

    def handle_close(self) -> None:
        """Close; release what was read of a request."""
        if self.request is not None:
            self.request.close()
            self.request = None
        super().handle_close()

    def _linger(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()
        else:
            self.lingers_since = time.time()

    @property
    def slow_since(self) -> float | None:
        """Since when only the client is waited for; None while its request is being executed."""
        if self.requests:
            return None
        if self.total_outbufs_len:
            return self.flushing_since or self.last_activity
        if self.request is not None:
            return self.request_began_at
        return self.lingers_since or self.last_activity

    def overdue(self, now: float) -> str:
        """What has timed out; empty when nothing has."""
        is_flushing = self.total_outbufs_len and not self.requests
        self.flushing_since = (self.flushing_since or now) if is_flushing else 0.0
        since, (what, patience) = self.slow_since, self._awaited()
        return what if since and now - since > patience else ""

    def _awaited(self) -> tuple[str, float]:
        if self.flushing_since:
            return "answer", ANSWER_SECONDS
        if self.request is not None:
            return "request", REQUEST_SECONDS if self.request.headers_finished else HEADER_SECONDS
        if self.lingers_since:
            return "refused", LINGER_SECONDS
        is_new = self.last_activity == self.creation_time
        return IDLE, HEADER_SECONDS if is_new else IDLE_SECONDS

    def is_drained(self, now: float, began_at: float) -> bool:
        """Whether a stop need not wait for it: no request is executed and no answer is being sent."""
        if self.requests or self.total_outbufs_len:
            return False
        if self.request is not None:
            return now - began_at > DRAINED_REQUEST_SECONDS
        return now - max(began_at, self.last_activity) > DRAINED_IDLE_SECONDS


class HttpServer(TcpWSGIServer):  # type: ignore[misc]
    """Accepts, reads and writes in one thread until a stop is asked for, then finishes requests in progress."""

    channel_class = Connection
    is_draining = False
    stops_asked = 0
    draining_since = 0.0

    def ask_to_stop(self, *_signal: int | FrameType | None) -> None:
        """Once: finish requests in progress. Twice: stop at once."""
        self.stops_asked += 1

    def serve(self) -> None:
        """Serve until stopped; drop what is unfinished after GRACE_SECONDS."""
        while not self._has_ended(time.time()):
            self.asyncore.loop(timeout=TICK_SECONDS, use_poll=True, map=self._map, count=1)
            if self.stops_asked:
                self._drain(time.time())
        if left := list(self.active_channels.values()):
            message = "They were not done when the server stopped."
            log.warning("connections_cut_off", count=len(left), message=message)
        for channel in left:
            channel.handle_close()

    def handle_accept(self) -> None:
        """Take a connection; where there are too many, close the slowest."""
        super().handle_accept()
        if len(self.active_channels) >= self.adj.connection_limit - SPARE:
            waiting = [channel for channel in self.active_channels.values() if channel.slow_since]
            if waiting:
                self._hang_up(min(waiting, key=lambda channel: channel.slow_since), "room")

    def maintenance(self, now: float) -> None:
        """Close what has timed out, and refuse requests that have waited too long for a thread."""
        self.task_dispatcher.refuse_overdue()
        for channel in list(self.active_channels.values()):
            if what := channel.overdue(now):
                self._hang_up(channel, what)

    def _hang_up(self, channel: Connection, why: str) -> None:
        # The library marks such a connection and waits until it can be written to, which may be never.
        if why != IDLE:
            log.info("connection_closed", why=why, address=channel.addr[0])
        channel.handle_close()

    def _drain(self, now: float) -> None:
        if not self.is_draining:
            self.is_draining, self.draining_since = True, now
            stopping.set()
            self._stop_listening()
        for channel in list(self.active_channels.values()):
            if channel.is_drained(now, self.draining_since):
                channel.handle_close()

    def _stop_listening(self) -> None:
        """Clients already connected are served, later ones are refused."""
        for _ in self._pending():
            self.handle_accept()
        self.asyncore.dispatcher.close(self)

    def _pending(self) -> Iterator[int]:
        count = -1
        while count < len(self._map):
            count = len(self._map)
            yield count

    def _has_ended(self, now: float) -> bool:
        if self.stops_asked > 1:
            return True
        if not self.is_draining:
            return False
        return not self.active_channels or now - self.draining_since > GRACE_SECONDS
