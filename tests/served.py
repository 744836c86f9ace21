"""An application served from a thread, for programs that call it from outside."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Thousands of lines that nobody reads."""


@contextmanager
def served(app: Flask) -> Iterator[tuple[str, Callable[[], int]]]:
    """The address of the application, and how many requests it has had."""
    counted = 0

    def counting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal counted
        counted += 1
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", lambda: counted
    finally:
        server.shutdown()
        thread.join()
