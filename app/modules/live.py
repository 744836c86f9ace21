"""What an open page asks for: has anything moved? One conditional address serves all live parts of all pages.

A page carries the mark that was true before its rows were read. Its script asks for the mark every few seconds, and
only when that has moved does it load the page anew and redraw those parts whose drawing differs. No view, and no
writer, has to know which pages show what.
"""

import hashlib
import threading
import time
from datetime import UTC, datetime

from flask import Flask, current_app, g, request

from app.infrastructure.change_hints import hint_of
from app.infrastructure.health import silent_parts
from app.modules.access import current_person, is_api

LOOK_SECONDS = 3.0
"""All pages of this process share one look at the machinery."""
AT_LEAST_EVERY = 300
"""Seconds: so often a page is drawn anew without a hint, for days that end and hints that were lost."""


class Machinery:
    """Which parts of the machinery are silent, as of the last few seconds; nobody waits for somebody else's look."""

    def __init__(self) -> None:
        self._looked_at, self._found, self._turn = float("-inf"), "", threading.Lock()

    def silent(self) -> str:
        """The names of the silent parts."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS and self._turn.acquire(blocking=False):
            try:
                self._found = silent_parts(current_app.extensions["settings"], datetime.now(UTC))
                self._looked_at = time.monotonic()
            finally:
                self._turn.release()
        return self._found


def init_live(app: Flask) -> None:
    """Read the mark before any view reads rows; to be called after the guard is in place."""
    app.extensions["machinery"] = Machinery()
    app.before_request(_read_mark)
    app.add_template_global(live_mark)
    app.add_template_global(live_now)


def live_mark() -> str:
    """What the page shows is at least as new as this; empty where nobody has signed in."""
    return str(g.get("live_mark", ""))


def live_now() -> str:
    """The server's clock, by which pages tell how long ago something was."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read_mark() -> None:
    person = g.get("person")
    if person is None or is_api() or request.headers.get("HX-Request"):
        return
    silent = current_app.extensions["machinery"].silent()
    seen = (hint_of(current_person().account.id), silent, int(time.time()) // AT_LEAST_EVERY, person.role)
    g.live_mark = hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
