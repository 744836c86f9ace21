"""Three rules fail because a site refuses: one incident, one mail, and one recovery, with real workers and servers."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs import commands
from app.business.outlets.incident_models import Incident, IncidentFailure
from app.business.outlets.mail_models import Mail
from app.infrastructure.database import only_reading
from app.infrastructure.secret_box import SecretBox
from tests.business.automation.actions.publishing_world import connect
from tests.factories import make_account, make_content, make_sector, make_site, make_user
from tests.infrastructure.mail_receiver import Postbox, mail_server
from tests.infrastructure.wordpress_stand_in import WordPress, serving
from tests.journeys.workers import working
from tests.processes import eventually

TITLES = ("Number 1", "Number 2", "Number 3")


@pytest.fixture
def outside(
    app: Flask, valkey: Redis, fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> Iterator[tuple[WordPress, Postbox]]:
    """A site that refuses, a mail server, and processes that may send to both."""
    with serving() as wordpress, mail_server() as box:
        wordpress.role = "subscriber"
        settings = app.extensions["settings"]
        values = {
            "OUTBOUND_ALLOW": wordpress.host,
            "SMTP_URL": box.url,
            "MAIL_FROM": "Console <console@example.com>",
        }
        with working(fork_server, settings, valkey, tmp_path, **values):
            yield wordpress, box


@pytest.fixture
def account(app: Flask, session: Session, outside: tuple[WordPress, Postbox]) -> Account:
    account = make_account(session, granted_at=datetime.now(UTC))
    make_user(session, account, Role.OWNER, email="owner@example.com")
    sector = make_sector(session, make_site(session, account, name="The Garden"))
    connect(session, sector, outside[0], SecretBox.of(app.extensions["settings"]))
    for title in TITLES:
        make_content(session, sector, title=title, html="<p>All.</p>", status="approved")
    session.commit()
    return account


def publish(session: Session, account: Account) -> list[AutomationRule]:
    """A rule for each article, started at once."""
    rules = []
    for title in TITLES:
        values = {
            "name": f"Publish {title}",
            "trigger": "schedule",
            "schedule": {"cron": "0 3 1 1 *", "timezone": "UTC"},
            "record_type": "content",
            "conditions": {"field": "title", "operator": "eq", "value": title},
            "actions": [{"type": "publish_content", "params": {"status": "publish"}}],
        }
        rule = AutomationService().create_rule(session, account, values, Actor(None), datetime.now(UTC))
        AutomationService().execute(session, rule, Actor(None), datetime.now(UTC))
        rules.append(rule)
    session.commit()
    return rules


def runs_that(session: Session, status: Status, count: int) -> list[ScheduledTask]:
    """The runs of that status, once there are so many."""
    session.rollback()
    with only_reading():
        query = select(ScheduledTask).where(ScheduledTask.status == status)
        found = list(session.scalars(query.execution_options(populate_existing=True)))
        return found if len(found) == count else []


def retry(session: Session, run_id: int) -> None:
    session.rollback()
    session.expire_all()
    commands.retry(session, session.get_one(ScheduledTask, run_id), datetime.now(UTC))
    session.commit()


def test_three_failures_of_one_cause_are_one_incident_one_mail_and_one_recovery(
    session: Session, account: Account, outside: tuple[WordPress, Postbox]
) -> None:
    wordpress, box = outside
    publish(session, account)
    failed = eventually(lambda: runs_that(session, Status.FAILED, 3), what="three runs have failed")
    eventually(lambda: box.mails, what="the mail")
    session.rollback()
    incident = session.scalars(select(Incident)).one()
    assert (incident.fault, incident.status) == ("misconfigured", "open")
    assert session.scalar(select(func.count(IncidentFailure.id))) == 3
    assert session.scalars(select(Notice.title)).all() == ["The WordPress of “The Garden” refuses us"]
    wordpress.role = "editor"
    first, second, _ = (run.id for run in failed)
    retry(session, first)
    eventually(lambda: runs_that(session, Status.COMPLETED, 1), what="one has succeeded")
    retry(session, second)
    eventually(lambda: runs_that(session, Status.COMPLETED, 2), what="another has succeeded")
    session.expire_all()
    assert session.scalars(select(Incident.status)).all() == ["recovered"]
    titles = session.scalars(select(Notice.title).order_by(Notice.id)).all()
    assert titles[1:] == ["The WordPress of “The Garden” works again"]
    assert [mail["Subject"] for mail in box.mails] == ["The WordPress of “The Garden” refuses us"]
    # The recovery is told with the next mail of its kind, an hour after the first.
    waiting = session.scalars(select(Mail).where(Mail.status == "pending")).one()
    assert [entry["title"] for entry in waiting.entries] == titles[1:]
