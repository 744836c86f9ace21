"""Deliveries from the row to the receiver: tried until accepted, at least once, never two at a time to one host."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.accounts.services.audit_log import AuditActor
from app.business.errors import Conflict
from app.business.outlets.services import deliveries, outgoing, webhooks
from app.business.outlets.services.deliveries import AttemptResult, record, resend, take_next
from app.business.outlets.services.outgoing import DELAYS, JITTER, LEASE, MOST_TRIES
from app.business.outlets.services.webhook_messages import announce
from app.business.outlets.services.webhooks import WebhookValues
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.infrastructure.database import db, transaction
from app.infrastructure.messaging import automation_tasks, relay, sweep_steps
from app.infrastructure.messaging.deliveries import drain
from app.infrastructure.messaging.queues import waiting_jobs
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.secret_box import SecretBox
from app.settings import Settings
from tests.factories import make_account
from tests.infrastructure.test_outbound import INNER, embedded, odd_notations
from tests.infrastructure.webhook_receiver import Receiver, receiving

EVENT = "run.completed"


class Clock:
    """Time passes only when a test says so."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def wait(self, span: timedelta) -> None:
        self.now += span


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def settings(app: Flask, receiver: Receiver) -> Settings:
    found: Settings = app.extensions["settings"]
    return found.model_copy(update={"outbound_allow": (receiver.host,)})


@pytest.fixture
def account(session: Session, valkey: Redis) -> Account:
    account = make_account(session)
    session.commit()
    return account


@pytest.fixture
def box(settings: Settings) -> SecretBox:
    return SecretBox.of(settings)


@pytest.fixture
def add(session: Session, account: Account, box: SecretBox, clock: Clock, receiver: Receiver) -> Any:
    """Adds a webhook that is subscribed to EVENT; returns it and its secret."""

    def add(url: str = "", name: str = "Slack") -> tuple[Webhook, str]:
        values = WebhookValues(name, url or receiver.url, [EVENT])
        made = webhooks.create(session, account.id, AuditActor(), values, seal=box.seal, now=clock())
        session.commit()
        return made

    return add


@pytest.fixture
def tell(session: Session, account: Account, clock: Clock) -> Callable[..., None]:
    """Writes messages."""

    def tell(count: int = 1) -> None:
        announce(session, account.id, EVENT, lambda: [{"run": number} for number in range(count)], clock())
        session.commit()

    return tell


@pytest.fixture
def work(settings: Settings, clock: Clock, session: Session) -> Callable[[], int]:
    def work() -> int:
        session.rollback()
        return drain(settings, most_seconds=60, stopping=lambda: False, clock=clock)

    return work


def rows(session: Session) -> list[WebhookDelivery]:
    session.rollback()
    session.expire_all()
    return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))


def notices(session: Session) -> list[str]:
    session.rollback()
    return [notice.title for notice in session.scalars(select(Notice).where(Notice.read_at.is_(None)))]


def test_a_message_arrives_signed_once_and_is_logged(
    session: Session, receiver: Receiver, add: Any, tell: Callable[..., None], work: Callable[[], int]
) -> None:
    _, secret = add()
    tell()
    assert waiting_jobs(relay.server())["deliveries"] == 1, "the commit wakes a step worker"
    assert (work(), work()) == (1, 0)
    [got], [row] = receiver.received, rows(session)
    # Its time is the fixed one of the test, so only the bytes are compared.
    assert (got.body, got.id, got.path) == (row.body, row.message_id, "/hook")
    assert got.headers["content-type"].startswith("application/json")
    assert (row.status, row.attempts, row.response_status, row.next_at) == ("delivered", 1, 200, None)
    [attempt] = row.log
    assert (attempt["status"], attempt["answer"]) == (200, '{"said": "thanks"}')
    assert attempt["headers"]["webhook-id"] == row.message_id
    assert secret not in str(row.log)


def test_a_failure_is_tried_again_with_the_same_id_in_growing_pauses(
    session: Session,
    receiver: Receiver,
    clock: Clock,
    add: Any,
    tell: Callable[..., None],
    work: Callable[[], int],
) -> None:
    add()
    receiver.replies = [(500, {})]
    tell()
    for delay in DELAYS:
        assert work() == 1
        [row] = rows(session)
        assert row.next_at is not None
        assert delay * (1 - JITTER) <= row.next_at - clock() <= delay * (1 + JITTER)
        assert work() == 0, "not before its time"
        clock.now = row.next_at
    assert notices(session) == []
    assert work() == 1
    [row] = rows(session)
    assert (row.status, row.attempts, row.response_status) == ("failed", MOST_TRIES, 500)
    assert len(set(receiver.ids)) == 1
    assert notices(session) == ["The webhook “Slack” does not take our messages"]
    receiver.replies = [(204, {})]
    resend(session, row, clock())
    session.commit()
    assert work() == 1
    [row] = rows(session)
    assert (row.status, row.attempts, row.response_status) == ("delivered", MOST_TRIES + 1, 204)
    assert (len(set(receiver.ids)), notices(session)) == (1, ["The webhook “Slack” works again"])
    assert session.scalars(select(Webhook.failing_since)).one() is None


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("120", 120), ("1", 0), ("999999999", 86_400), ("soon", 0), ("-5", 0), ("Tue, 24 Nov 2026 99:00", 0)],
)
def test_retry_after_is_honoured_within_bounds(
    session: Session, receiver: Receiver, clock: Clock, add: Any, tell: Callable[..., None],
    work: Callable[[], int], asked: str, seconds: int,
) -> None:  # fmt: skip
    add()
    receiver.replies = [(429, {"Retry-After": asked})]
    tell()
    work()
    [row] = rows(session)
    assert row.next_at is not None
    waited = (row.next_at - clock()).total_seconds()
    assert waited == seconds if seconds else 4 <= waited <= 6


def test_gone_switches_the_webhook_off_at_once(
    session: Session, receiver: Receiver, clock: Clock, add: Any, tell: Callable[..., None],
    work: Callable[[], int],
) -> None:  # fmt: skip
    webhook, _ = add()
    receiver.replies = [(410, {})]
    tell(3)
    assert work() == 1
    assert [row.status for row in rows(session)] == ["failed"] * 3
    session.refresh(webhook)
    assert (webhook.is_active, "410 Gone" in webhook.off_reason) == (False, True)
    assert notices(session) == ["The webhook “Slack” was switched off"]
    with pytest.raises(Conflict, match="switched off"):
        resend(session, rows(session)[0], clock())
    tell()
    assert len(rows(session)) == 3, "nothing is written for it any more"


def test_three_days_of_failures_switch_it_off_and_one_success_forgives(
    session: Session, receiver: Receiver, clock: Clock, add: Any, tell: Callable[..., None],
    work: Callable[[], int],
) -> None:  # fmt: skip
    webhook, _ = add()
    for replies, wait in (((500,), 2), ((500, 200), 2), ((500,), 2)):
        receiver.replies = [(status, {}) for status in replies]
        tell()
        work()
        clock.wait(timedelta(days=wait))
        if len(replies) == 2:
            work()
    session.refresh(webhook)
    assert webhook.is_active, "failures of two days, twice"
    receiver.replies = [(500, {})]
    tell()
    work()
    clock.wait(timedelta(days=3))
    tell()
    work()
    session.refresh(webhook)
    assert (webhook.is_active, "three days" in webhook.off_reason) == (False, True)
    assert {row.status for row in rows(session)} <= {"failed", "delivered"}


@pytest.mark.both_databases
@pytest.mark.parametrize("is_recorded", [False, True])
def test_killed_between_sending_and_receipt_it_is_sent_again_with_the_same_id(
    session: Session, receiver: Receiver, clock: Clock, add: Any, tell: Callable[..., None],
    work: Callable[[], int], is_recorded: bool, settings: Settings,
) -> None:  # fmt: skip
    """At least once, never lost: the receiver knows the second by its id."""
    add()
    tell()
    session.rollback()
    child = os.fork()
    if child == 0:
        db.engine.dispose(close=False)
        # Killed by itself, as by kill -9, before or after the receipt.
        real = deliveries.record

        def record(*args: Any) -> Any:
            if not is_recorded:
                os._exit(9)
            return real(*args)

        deliveries.record = record
        drain(settings, most_seconds=60, stopping=lambda: False, clock=clock)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(receiver.received) == 1
    assert work() == 0, "its lease still runs"
    clock.wait(LEASE + timedelta(seconds=1))
    with transaction() as fresh:
        assert outgoing.any_due(fresh, [WebhookDelivery], clock()) is not is_recorded
    assert work() == (0 if is_recorded else 1)
    [row] = rows(session)
    assert row.status == "delivered"
    assert receiver.ids == [row.message_id] * (1 if is_recorded else 2)


@pytest.mark.both_databases
def test_a_receipt_without_the_claim_changes_nothing(
    session: Session, clock: Clock, add: Any, tell: Callable[..., None]
) -> None:
    """A worker that was suspended comes back after another one has taken its message over."""
    add()
    tell()
    with transaction() as fresh:
        slow = take_next(fresh, clock())
    clock.wait(LEASE + timedelta(seconds=1))
    with transaction() as fresh:
        other = take_next(fresh, clock())
    assert slow is not None
    assert other is not None
    assert slow.message_id == other.message_id
    with transaction() as fresh:
        assert not record(fresh, slow, AttemptResult(200), clock())
    [row] = rows(session)
    assert (row.status, row.log) == ("pending", [])
    with transaction() as fresh:
        assert record(fresh, other, AttemptResult(500, "It answered 500."), clock())
    with transaction() as fresh:
        assert not record(fresh, other, AttemptResult(200), clock()), "once only"


@pytest.mark.both_databases
def test_one_worker_at_one_host_at_a_time_and_others_go_on(
    app: Flask, session: Session, clock: Clock, add: Any, tell: Callable[..., None]
) -> None:
    add()
    add("http://other.example/hook", "Other")
    tell(3)
    taken: list[Any] = []
    begun = Barrier(4)

    def take() -> None:
        with app.app_context():
            begun.wait()
            with transaction() as fresh:
                taken.append(take_next(fresh, clock()))

    workers = [Thread(target=take) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    hosts = [one.url.split("/")[2] for one in taken if one]
    assert "other.example" in hosts
    assert len(hosts) == len(set(hosts)) == 2


def test_a_host_that_fails_does_not_occupy_a_worker(
    session: Session, receiver: Receiver, clock: Clock, add: Any, tell: Callable[..., None],
    work: Callable[[], int],
) -> None:  # fmt: skip
    add()
    receiver.replies = [(500, {})]
    tell(20)
    assert work() == 1, "the others wait until it has answered"
    clock.wait(timedelta(hours=1))
    assert work() == 1
    waiting = [row.next_at for row in rows(session) if row.attempts == 0]
    assert min(at - clock() for at in waiting if at) == timedelta(minutes=6)
    receiver.replies = [(200, {})]
    clock.wait(timedelta(hours=2))
    assert work() == 20
    assert {row.status for row in rows(session)} == {"delivered"}


def test_a_lost_queue_only_delays(
    session: Session, valkey: Redis, receiver: Receiver, clock: Clock, add: Any, tell: Callable[..., None],
    work: Callable[[], int], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    add()
    tell()
    valkey.flushall()
    monkeypatch.setattr(automation_tasks, "utc_now", lambda: clock() + timedelta(seconds=2))
    automation_tasks.sweep()
    assert waiting_jobs(valkey)["deliveries"] == 1
    receiver.replies = [(500, {}), (200, {})]
    work()
    valkey.flushall()
    automation_tasks.sweep()
    assert waiting_jobs(valkey)["deliveries"] == 0
    assert any(b"deliveries" in job for job in valkey.zrange("rq:scheduler:scheduled_jobs", 0, -1))


def test_the_secret_before_signs_beside_the_new_one_for_a_day(
    session: Session, receiver: Receiver, clock: Clock, add: Any, tell: Callable[..., None],
    work: Callable[[], int], box: SecretBox, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    webhook, first = add()
    second = webhooks.rotate(session, webhook, AuditActor(), seal=box.seal, now=clock())
    session.commit()
    for hours, signatures in ((0, 2), (25, 1)):
        clock.wait(timedelta(hours=hours))
        tell()
        work()
        assert len(receiver.received[-1].headers["webhook-signature"].split()) == signatures
    assert first != second
    stored = session.scalars(select(Webhook)).one()
    assert first not in str(vars(stored))
    assert second not in str(vars(stored))


@pytest.mark.both_databases
def test_secrets_are_sealed_anew_when_the_key_of_the_installation_is_replaced(
    session: Session, add: Any, monkeypatch: pytest.MonkeyPatch, box: SecretBox, settings: Settings
) -> None:
    webhook, secret = add()
    new = Settings(secret_key="n" * 40, secret_key_old=settings.signing_key)
    monkeypatch.setattr(sweep_steps, "load_settings", lambda: new)
    sweep_steps._reseal_secrets(sweep_steps.utc_now())
    session.refresh(webhook)
    assert SecretBox("n" * 40).open(webhook.secret_sealed) == secret


@pytest.mark.parametrize(
    "host",
    [
        *INNER[::4],
        *odd_notations("127.0.0.1"),
        *odd_notations("169.254.169.254"),
        *(f"[{address}]" for address in embedded("127.0.0.1")),
        *("localhost", "LOCALHOST.", "a.localhost", "metadata.google.internal", "user:pw@1.1.1.1"),
    ],
)
def test_no_webhook_reaches_into_the_network_inside(
    session: Session, account: Account, box: SecretBox, clock: Clock, host: str, settings: Settings
) -> None:
    """Also where the address was stored before the policy could look at it, on the port of a listener."""
    with receiving() as inside:
        for url in (f"https://{host}/", f"http://{host}:{inside.port}/", f"https://{host}:{inside.port}/"):
            values = WebhookValues(url, url, [EVENT])
            webhooks.create(session, account.id, AuditActor(), values, seal=box.seal, now=clock())
        announce(session, account.id, EVENT, lambda: [{}], clock())
        session.commit()
        strict = settings.model_copy(update={"outbound_allow": ()})
        assert drain(strict, most_seconds=60, stopping=lambda: False, clock=clock) >= 1
        assert inside.connections == 0
        assert {row.status for row in rows(session)} == {"pending"}
        assert all(row.log[0]["status"] is None and row.log[0]["message"] for row in rows(session) if row.log)


def test_names_that_resolve_to_the_inside_are_refused_when_it_is_sent() -> None:
    with pytest.raises(OutboundRefused):
        OutboundPolicy().check_resolved("rebound.example", 443, ["93.184.216.34", "127.0.0.1"])


def test_a_message_whose_worker_dies_each_time_is_given_up(
    session: Session, clock: Clock, add: Any, tell: Callable[..., None]
) -> None:
    add()
    tell()
    for _ in range(MOST_TRIES):
        with transaction() as fresh:
            assert take_next(fresh, clock())
        clock.wait(LEASE + timedelta(seconds=1))
    with transaction() as fresh:
        assert take_next(fresh, clock()) is None
    [row] = rows(session)
    assert (row.status, row.lease_token) == ("failed", None)
    assert len(notices(session)) == 1


def test_a_clock_that_was_wrong_holds_nothing_up(
    session: Session, clock: Clock, add: Any, tell: Callable[..., None], work: Callable[[], int]
) -> None:
    add()
    tell()
    with transaction() as fresh:
        assert take_next(fresh, clock())
        fresh.execute(update(WebhookDelivery).values(lease_until=clock() + timedelta(days=300)))
    assert work() == 1
