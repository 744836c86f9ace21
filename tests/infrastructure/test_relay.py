"""Wake-ups are sent after the real commit, never after a rollback, and a silent queue server harms no commit."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from redis import Redis
from rq_scheduler import Scheduler
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.events import wake
from app.infrastructure.messaging import relay
from app.infrastructure.messaging.queues import waiting_jobs
from tests.factories import make_account


def woken(valkey: Redis) -> set[str]:
    return {queue for queue, count in waiting_jobs(valkey).items() if count}


def armed(valkey: Redis) -> dict[bytes, float]:
    return dict(valkey.zrange(Scheduler.scheduled_jobs_key, 0, -1, withscores=True))


def test_a_commit_wakes_the_queues_it_asked_for(session: Session, valkey: Redis) -> None:
    wake(session, ["events"])
    make_account(session)
    assert woken(valkey) == set()
    session.commit()
    assert woken(valkey) == {"events"}


def test_the_release_of_a_savepoint_wakes_nothing_yet(session: Session, valkey: Redis) -> None:
    with session.begin_nested():
        wake(session, ["due"])
        make_account(session)
    assert woken(valkey) == set()
    session.commit()
    assert woken(valkey) == {"due"}


def test_a_rolled_back_savepoint_loses_no_other_wake_up(session: Session, valkey: Redis) -> None:
    wake(session, ["manual"])
    make_account(session)
    session.begin_nested().rollback()
    session.commit()
    assert woken(valkey) == {"manual"}


def test_a_rollback_drops_the_wake_ups(session: Session, valkey: Redis) -> None:
    wake(session, ["due"])
    session.info["alarms"] = {(datetime.now(UTC), "due")}
    make_account(session)
    session.rollback()
    make_account(session)
    session.commit()
    assert woken(valkey) == set()
    assert armed(valkey) == {}


def test_due_queues_are_woken_and_others_get_one_alarm_a_second(session: Session, valkey: Redis) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    later = now + timedelta(minutes=5)
    session.info["alarms"] = {
        (now - timedelta(seconds=1), "due"),
        (later, "long"),
        (later - timedelta(milliseconds=300), "long"),
    }
    make_account(session)
    session.commit()
    assert woken(valkey) == {"due"}
    assert armed(valkey) == {f"drain-long-{later.timestamp():.0f}".encode(): later.timestamp()}


def test_a_commit_stands_when_the_queue_server_does_not_answer(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    monkeypatch.setattr(relay, "server", lambda: away)
    wake(session, ["due"])
    account_id = make_account(session).id
    session.commit()
    assert session.get(Account, account_id)
