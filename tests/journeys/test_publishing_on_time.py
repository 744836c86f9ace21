"""What a person approves, a rule publishes at its time, at most two a day: real scheduler, workers and site."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.events import Origin, wake
from app.business.writer.models import Content
from app.business.writer.publication_models import PublishingDay
from app.business.writer.services.content_edit import update_content
from app.infrastructure.database import only_reading
from app.infrastructure.secret_box import SecretBox
from tests.business.automation.actions.publishing_world import connect
from tests.factories import make_account, make_content, make_sector, make_site
from tests.infrastructure.wordpress_stand_in import WordPress, serving
from tests.journeys.workers import working
from tests.processes import eventually


@pytest.fixture
def wordpress(
    app: Flask, valkey: Redis, fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> Iterator[WordPress]:
    """The site, and processes that may send to it."""
    with (
        serving() as wordpress,
        working(fork_server, app.extensions["settings"], valkey, tmp_path, OUTBOUND_ALLOW=wordpress.host),
    ):
        yield wordpress


@pytest.fixture
def account(app: Flask, session: Session, wordpress: WordPress) -> Account:
    """Its site publishes two a day, in a zone where it is about noon."""
    account = make_account(session, granted_at=datetime.now(UTC))
    site = make_site(session, account)
    site.timezone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    sector = make_sector(session, site)
    connect(session, sector, wordpress, SecretBox.of(app.extensions["settings"]), max_per_day=2)
    for number in range(1, 5):
        make_content(session, sector, title=f"Number {number}", html="<p>All.</p>", status="review")
    session.commit()
    return account


def approve(session: Session, account: Account, *titles: str) -> None:
    origin, now = Origin(account.id, user_id=None), datetime.now(UTC)
    for content in session.scalars(select(Content).where(Content.title.in_(titles))):
        update_content(session, content, {"status": "approved"}, origin=origin, now=now)
    session.commit()


def publish_in(session: Session, account: Account, seconds: float) -> datetime:
    """A rule that publishes what is approved, once, so many seconds from now."""
    now = datetime.now(UTC)
    due_at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    values = {
        "name": "Publish",
        "trigger": "schedule",
        "schedule": {"at": due_at.isoformat()},
        "record_type": "content",
        "actions": [{"type": "publish_content"}],
    }
    AutomationService().create_rule(session, account, values, Actor(None), now)
    session.commit()
    return due_at


def run_that(session: Session, status: Status) -> ScheduledTask | None:
    """The run, once it is begun and has that status."""
    session.rollback()
    with only_reading():
        run = session.scalars(select(ScheduledTask).execution_options(populate_existing=True)).one_or_none()
        return run if run and run.started_at and run.status == status else None


def let_a_day_pass(session: Session, run: ScheduledTask) -> None:
    """The night is taken from the rows, not waited for."""
    session.rollback()
    session.scalars(select(PublishingDay)).one().local_day -= timedelta(days=1)
    session.get_one(ScheduledTask, run.id).not_before = datetime.now(UTC)
    wake(session, [run.queue])
    session.commit()


def public(wordpress: WordPress) -> list[str]:
    return [post["title"] for post in wordpress.posts.values() if post["status"] == "publish"]


def test_approved_articles_are_published_at_their_time_two_a_day(
    session: Session, account: Account, wordpress: WordPress
) -> None:
    approve(session, account, "Number 1", "Number 2", "Number 4")
    due_at = publish_in(session, account, 2)
    run = eventually(lambda: run_that(session, Status.PENDING), what="the third waits")
    assert run.started_at
    assert run.started_at >= due_at
    assert public(wordpress) == ["Number 1", "Number 2"]
    assert "at most 2 articles are published" in run.error_message
    let_a_day_pass(session, run)
    run = eventually(lambda: run_that(session, Status.COMPLETED), what="the next day")
    assert public(wordpress) == ["Number 1", "Number 2", "Number 4"]
    states = {row.title: row.status for row in session.execute(select(Content.title, Content.status))}
    assert states.pop("Number 3") == "review", "nobody has approved it"
    assert set(states.values()) == {"published"}
    assert audit(session, datetime.now(UTC)) == []
