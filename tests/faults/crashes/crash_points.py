"""Places where the trials end a process, as a power cut would. The product knows nothing of them.

Only what calls `install` stops at them: the trial server, and a process of a fleet whose plant it is.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from app.infrastructure.database import db
from app.infrastructure.mail.server import MailServer
from app.infrastructure.messaging import deliveries, relay
from app.infrastructure.messaging.scheduler import AutomationScheduler
from app.infrastructure.wordpress.client import WordPressClient

VARIABLE = "IGNY8_CRASH_POINT"
"""A point's name, or `name:3` for the third time that this process comes by."""
OF_SENDING = ("before-send", "after-send", "after-receipt")
"""Around a webhook, a mail or a post. `after-receipt`: at the first commit since one has left."""
POINTS = (
    *OF_SENDING,
    "statement",
    "before-commit",
    "after-commit",
    "before-hint",
    "before-hand-over",
    "between-commands",
    "after-hand-over",
)
"""`between-commands` is a point of a broken build only."""

_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """End this process at once when the environment names this point and this time."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    point, _, time = wanted.partition(":")
    assert {point, name} <= set(POINTS), f"{wanted} or {name} is no crash point"
    _passed[name] += 1
    if point == name and _passed[name] == int(time or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def install() -> None:
    """In this process and those it forks: where commits, hints of new work, hand-overs and calls outside are done."""
    event.listen(db.session, "before_commit", lambda session: _at_a_commit(session, "before-commit"))
    # After the relay's own listener, which was there first: its hints are sent by then.
    event.listen(db.session, "after_commit", lambda session: _at_a_commit(session, "after-commit"))
    relay.send = _stopping(relay.send, before="before-hint")
    AutomationScheduler.enqueue_job = _stopping(
        AutomationScheduler.enqueue_job, before="before-hand-over", after="after-hand-over"
    )
    deliveries.send = _stopping(deliveries.send, before="before-send", after="after-send")
    MailServer.send = _stopping(MailServer.send, before="before-send", after="after-send")
    WordPressClient.try_write = _stopping(WordPressClient.try_write, before="before-send", after="after-send")


def _at_a_commit(session: Session, point: str) -> None:
    # A savepoint that is released is no commit.
    if session.in_nested_transaction():
        return
    crash_point(point)
    if point == "after-commit" and _passed["after-send"]:
        crash_point("after-receipt")


def _stopping(function: Callable[..., Any], *, before: str, after: str = "") -> Callable[..., Any]:
    @wraps(function)
    def stopping(*arguments: Any) -> Any:
        crash_point(before)
        result = function(*arguments)
        if after:
            crash_point(after)
        return result

    return stopping
