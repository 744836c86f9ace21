"""HTTP answers of bounded size and duration, whatever the server sends."""

import time
from collections.abc import Iterator

import httpx2 as httpx

BYTES_LIMIT = 2 * 1024 * 1024


class AnswerTooLarge(Exception):
    """More than 2 MB, or compressed although the request asked for plain text."""


class LimitedTransport(httpx.HTTPTransport):
    """Aborts answers over 2 MB, and answers that take longer than `seconds` in all."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As in httpx; size and duration are checked while the body is read."""
        deadline = time.monotonic() + self.seconds
        response = super().handle_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise AnswerTooLarge
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Watched(response.stream, deadline, request)
        return response


class _Watched(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, deadline: float, request: httpx.Request) -> None:
        self.stream, self.deadline, self.request = stream, deadline, request

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self.stream:
            size += len(chunk)
            if size > BYTES_LIMIT:
                raise AnswerTooLarge
            if time.monotonic() > self.deadline:
                raise httpx.ReadTimeout("the answer took too long in all", request=self.request)
            yield chunk

    def close(self) -> None:
        self.stream.close()
