"""Step workers audit slice by slice: each looks at few runs, and the slices together find what one look would find."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import Status
from app.business.automation.services.auditing import invariants
from app.infrastructure.database import db
from app.infrastructure.messaging import audits, heartbeats
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account

RUNS, OF_SLICE = 30, 7


@pytest.fixture(autouse=True)
def _small_slices(app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(invariants, "SLICE", OF_SLICE)
    monkeypatch.setattr(audits, "MOST_SECONDS", 0)
    monkeypatch.setattr(audits.queues, "wake", lambda _connection, _queues: None)
    with app.app_context():
        yield
        db.session.remove()


def go_on(valkey: Redis, now: datetime) -> int:
    """Until the audit is done; the number of slices."""
    slices = 0
    while valkey.exists(audits.PLACE_KEY):
        audits.go_on(valkey, now, lambda: False)
        slices += 1
    return slices


def slices_of(session: Session, table: Table | None) -> int:
    """Of a check that walks over the rows of a table, if it does."""
    rows = 0 if table is None else session.scalar(select(func.count()).select_from(table)) or 0
    return max(-(-rows // OF_SLICE), 1)


def test_slices_find_what_one_look_finds(session: Session, valkey: Redis, now: datetime) -> None:
    """Every third run says nothing of its failure; the last one, in a slice of its own, never began."""
    rule = make_rule(session, make_account(session))
    for number in range(RUNS):
        reason = None if number % 3 == 0 else "action_failed"
        make_run(session, rule, now, Status.FAILED, reason=reason, error_message="It failed.", attempt=0)
    make_run(session, rule, now, attempt=3)
    session.commit()
    expected = {breach.sentence: sorted(breach.rows) for breach in invariants.audit(session, now)}
    assert {"A run that has ended says when, and why if it was not completed."} < expected.keys()
    session.rollback()
    found = dict[str, list[str]]()
    noted = audits._note
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            audits,
            "_note",
            lambda connection, breaches, at: (
                found.update({breach.sentence: sorted(breach.rows) for breach in breaches}),
                noted(connection, breaches, at),
            ),
        )
        audits.begin(valkey)
        slices = go_on(valkey, now)
    assert found == expected
    assert slices == sum(slices_of(session, check.walks) for check in invariants._checks())
    said = heartbeats.last_audit(valkey)
    assert said
    assert {*said.broken} == expected.keys()


def test_two_workers_do_not_do_it_twice(session: Session, valkey: Redis, now: datetime) -> None:
    session.rollback()
    audits.begin(valkey)
    taken = valkey.get(audits.PLACE_KEY)
    valkey.delete(audits.PLACE_KEY)
    audits.go_on(valkey, now, lambda: False)
    assert heartbeats.last_audit(valkey) is None
    assert taken
    valkey.set(audits.PLACE_KEY, taken)
    go_on(valkey, now)
    assert heartbeats.last_audit(valkey)
