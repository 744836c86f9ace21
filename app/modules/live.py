"""What an open page polls: has anything changed? One conditional address serves all live parts of all pages.

A page has the mark that was true before its rows were read. Its script polls the mark every few seconds, and only
when that has changed does it reload the page and redraw those parts whose drawing differs. No view, and no writer,
has to know which pages show what.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from flask import Flask, Response, current_app, g, request
from flask import session as cookie

from app.business.accounts.models import Role
from app.business.accounts.services.tokens import fingerprint
from app.infrastructure.change_hints import hint_of
from app.infrastructure.database import db
from app.infrastructure.health import HINT_SECONDS, look, silent_parts
from app.modules.access import is_api

MOVED = "system.moved"
LOOK_SECONDS = 3.0
"""Seconds for which all pages of this process share one check of the machinery."""
TURN_SECONDS = 17
AT_LEAST_EVERY = 300
"""Seconds after which a page is redrawn without a hint, for days that end and hints that were lost."""


KNOWN_SECONDS = 60.0
MOST_KNOWN = 10_000


class Askers:
    """Sessions by fingerprint, so that "nothing has changed" is answered without the database.

    A session that ended meanwhile learns no more than that, and for no longer than a minute.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Role, float]] = {}

    def note(self, token: str, account_id: int, role: Role) -> None:
        """The session was found to be valid."""
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[fingerprint(token)] = (account_id, role, time.monotonic() + KNOWN_SECONDS)

    def find(self, token: str) -> tuple[int, Role] | None:
        """The account and role of the session's person."""
        account_id, role, until = self._known.get(fingerprint(token), (0, Role.VIEWER, 0.0))
        return (account_id, role) if time.monotonic() < until else None


Found = TypeVar("Found")


class SharedLook(Generic[Found]):
    """What a look found in the last few seconds; nobody waits for another thread's look but the first."""

    def __init__(self, look_now: Callable[[], Found]) -> None:
        self._look_now, self._turn = look_now, threading.Lock()
        self._found: tuple[Found, float] | None = None

    def __call__(self) -> Found:
        found = self._found
        if found and time.monotonic() < found[1]:
            return found[0]
        if not self._turn.acquire(blocking=found is None):
            assert found
            return found[0]
        try:
            # Whoever waited for the first look has its answer by now.
            if found is self._found:
                self._found = self._look_now(), time.monotonic() + LOOK_SECONDS
            assert self._found
            return self._found[0]
        finally:
            self._turn.release()


class Machinery:
    """What does not work, as of the last few seconds."""

    def __init__(self) -> None:
        self._silent, self._not_working = SharedLook(_silent_now), SharedLook(_not_working_now)

    def silent(self) -> str:
        """The names of the parts without a heartbeat, for the mark of every page."""
        return self._silent()

    def not_working(self) -> tuple[str, ...]:
        """The names of all parts that do not work, database and tables included, for people; of parts that only
        wait for another one, the other."""
        return self._not_working()


def _silent_now() -> str:
    return silent_parts(current_app.extensions["settings"], datetime.now(UTC))


def _not_working_now() -> tuple[str, ...]:
    health = look(current_app.extensions["settings"], datetime.now(UTC), answer_within=HINT_SECONDS)
    return tuple(part.name for part in health.parts if not part.is_well and part.advice)


def init_short_answer(app: Flask) -> None:
    """Read the mark of a known caller, and answer that nothing has changed, before anything else is read; call it
    before access is guarded."""
    app.extensions["askers"] = Askers()
    app.before_request(_look_first)


def init_live(app: Flask) -> None:
    """See to it that the mark is older than what pages show; call it after access is guarded."""
    app.extensions["machinery"] = Machinery()
    app.before_request(_keep_mark)
    app.add_template_global(live_mark)
    app.add_template_global(live_now)


def live_mark() -> str:
    """The mark of the page: what it shows is at least as new; empty where nobody has signed in."""
    return str(g.get("live_mark", ""))


def live_now() -> str:
    """The server's clock, by which pages show how long ago something was."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _look_first() -> Response | None:
    if not _has_mark():
        return None
    asker = current_app.extensions["askers"].find(cookie.get("token", ""))
    if asker is None:
        return None
    mark = _mark(*asker)
    g.mark_of_known = (asker, mark)
    return unchanged(mark) if request.endpoint == MOVED and request.if_none_match.contains(mark) else None


def unchanged(mark: str) -> Response:
    """Nothing has changed since."""
    response = Response(status=304, headers={"Cache-Control": "no-store"})
    response.set_etag(mark)
    return response


def _keep_mark() -> None:
    person = g.get("person")
    if person is None or not _has_mark():
        return
    asker = (person.account.id, person.role)
    known, mark = g.get("mark_of_known", (None, ""))
    if asker != known:
        mark = _mark(*asker)
        # Who asks was read before it.
        db.session.expire_all()
    g.live_mark = mark
    current_app.extensions["askers"].note(cookie["token"], *asker)


def _has_mark() -> bool:
    return not (is_api() or request.endpoint == "static" or request.headers.get("HX-Request"))


def _mark(account_id: int, role: Role) -> str:
    silent = current_app.extensions["machinery"].silent()
    # Accounts take turns within those seconds, so that not all open pages are drawn at one moment.
    turn = (int(time.time()) + TURN_SECONDS * account_id) // AT_LEAST_EVERY
    seen = (hint_of(account_id), silent, turn, role)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
