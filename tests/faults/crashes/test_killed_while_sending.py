"""A worker is killed around a webhook, a mail and a post: none is lost, and at most the one in flight arrives twice.

A webhook that comes again has its id, a mail its Message-ID, and an article has one post.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.infrastructure.secret_box import SecretBox
from tests.faults.crashes.outbound_trials import (
    BEFORE,
    BETWEEN,
    SAMPLE,
    MailSending,
    PostSending,
    Sending,
    WebhookSending,
)
from tests.faults.crashes.trials import Trials
from tests.sampling import times

Begin = Callable[[type[Sending]], AbstractContextManager[Sending]]
LAST_MAIL = "after-send:3"


@pytest.fixture
def begin(app: Flask, world: Session, trials: Trials, today: datetime) -> Begin:
    """A trial of that kind."""

    @contextmanager
    def begin(kind: type[Sending]) -> Iterator[Sending]:
        with kind.receiver() as receiver:
            yield kind(world, trials, SecretBox.of(app.extensions["settings"]), today, receiver)

    return begin


def points(kind: type[Sending]) -> Iterator[tuple[str, str]]:
    """Point and moment, with TRIALS=full each 25 times."""
    if kind is MailSending:
        yield LAST_MAIL, BETWEEN
    for moment, point in SAMPLE.items():
        yield from [(point, moment)] * times(full=25, sample=1)


@pytest.mark.parametrize("kind", [WebhookSending, MailSending, PostSending])
def test_a_worker_killed_while_sending_loses_nothing(begin: Begin, kind: type[Sending]) -> None:
    for point, moment in points(kind):
        with begin(kind) as trial:
            trial.kill(point)
            assert trial.moment() == moment, point
            trial.heal()
            assert trial.wrong() == [], f"killed {point}"


@pytest.mark.parametrize("kind", [WebhookSending, MailSending, PostSending])
@pytest.mark.parametrize("side", times(full=["before", "after"], sample=["before"]))
def test_nor_does_one_that_is_killed_at_any_commit(begin: Begin, kind: type[Sending], side: str) -> None:
    """The last commit alone in everyday runs: it is the one that is not reached where a build makes fewer."""
    for number in times(full=range(1, kind.commits + 1), sample=[kind.commits]):
        with begin(kind) as trial:
            trial.kill(f"{side}-commit:{number}")
            trial.heal()
            assert trial.wrong() == [], f"killed {side} commit {number}"


@pytest.mark.parametrize(
    ("kind", "lacking", "point", "fault"),
    [
        (WebhookSending, "message id", SAMPLE[BETWEEN], "of another id"),
        (WebhookSending, "expiry of claims", SAMPLE[BEFORE], "lost"),
        (MailSending, "expiry of claims", SAMPLE[BETWEEN], "lost"),
        (MailSending, "receipt of each", LAST_MAIL, "more than the one in flight"),
        (PostSending, "marker", SAMPLE[BETWEEN], "2 posts"),
        (PostSending, "rescue", SAMPLE[BEFORE], "run: running"),
    ],
)
def test_these_trials_fail_without_a_safeguard(
    begin: Begin, kind: type[Sending], lacking: str, point: str, fault: str
) -> None:
    with begin(kind) as trial:
        trial.kill(point, lacking)
        trial.heal(lacking)
        assert fault in " · ".join(trial.wrong())
