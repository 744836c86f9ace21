"""Approved articles go out at 09:00 on working days, at most two a day: real web, scheduler, workers and site, whose
time a test moves on from one planned time to the next.
"""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role
from app.business.accounts.services import api_keys, sign_in
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.triggering.calendar_service import save_calendar
from app.business.writer.models import Content
from app.infrastructure.database import only_reading
from app.infrastructure.messaging import heartbeats
from app.infrastructure.secret_box import SecretBox
from tests.business.automation.actions.publishing_world import connect
from tests.factories import make_account, make_content, make_sector, make_site, make_user
from tests.faults.fleet.processes import Fleet
from tests.faults.outages.installation import PASSWORD, Client
from tests.infrastructure.wordpress_stand_in import WordPress, serving
from tests.journeys.workers import working
from tests.processes import eventually, free_port
from tests.shared_clock import SharedClock

BERLIN = ZoneInfo("Europe/Berlin")
THURSDAY = date(2026, 11, 26)
FRIDAY, SATURDAY, SUNDAY, MONDAY, TUESDAY, WEDNESDAY = (THURSDAY + timedelta(days=n) for n in range(1, 7))
NINE = time(9)
TITLES = [f"Number {number}" for number in range(1, 7)]
RULE = {
    "name": "Publish",
    "trigger": "schedule",
    "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
    "record_type": "content",
    "conditions": {"field": "status", "operator": "eq", "value": "approved"},
    "actions": [{"type": "publish_content"}],
}


@dataclass
class Site:
    """A site in Berlin that publishes two a day and is closed on that Wednesday, and who works for it."""

    id: int
    session: Session
    clock: SharedClock
    fleet: Fleet
    wordpress: WordPress
    valkey: Redis
    email: str
    program: Client

    def come_to(self, day: date, at: time = NINE) -> None:
        """A moment before, once all is done that was due until now; the moment passes by itself."""
        eventually(lambda: not self.due(), within=120, what="what was due is done")
        self.clock.move_to(datetime.combine(day, at, BERLIN) - timedelta(seconds=1))

    def let_pass(self, day: date, at: time = NINE) -> None:
        """Until all that is due then is done: a sweep has found nothing of it."""
        self.come_to(day, at)
        due_at = datetime.combine(day, at, BERLIN)
        eventually(lambda: self.clock.now() > due_at, what="it is that time")
        self.clock.move_to(due_at + timedelta(seconds=20))
        eventually(lambda: self.last_sweep_at() > due_at, what="a sweep")
        eventually(lambda: not self.due(), within=120, what="what is due is done")

    def due(self) -> list[ScheduledTask]:
        """Runs that are on their way, or could be."""
        now, run = self.clock.now(), ScheduledTask
        is_due = func.coalesce(run.not_before, run.scheduled_at) <= now
        query = select(run).where(
            or_(run.status == Status.RUNNING, and_(run.status == Status.PENDING, is_due))
        )
        return self.seen(query)

    def last_sweep_at(self) -> datetime:
        found = heartbeats.last_heartbeat_at(self.valkey, heartbeats.SWEEP)
        assert found
        return found

    def approve(self, *titles: str) -> None:
        with only_reading():
            ids = self.session.scalars(select(Content.id).where(Content.title.in_(titles))).all()
            self.session.rollback()
        person = self.signed_in()
        for id in ids:
            assert person.ask(f"/content/{id}/decide", status="approved").status == 200

    def signed_in(self) -> Client:
        """Whoever comes back the next day signs in again."""
        person = Client(self.program.address)
        person.sign_in(self.email)
        return person

    def page(self, path: str) -> str:
        """The words of it."""
        return " ".join(re.sub("<[^>]+>", " ", self.signed_in().ask(path).text).split())

    def published(self) -> list[str]:
        """The titles of public posts, in their order."""
        return [post["title"] for post in self.wordpress.posts.values() if post["status"] == "publish"]

    def waiting(self) -> list[ScheduledTask]:
        """Runs that are begun, and go on later."""
        run = ScheduledTask
        return self.seen(select(run).where(run.status == Status.PENDING, run.started_at.is_not(None)))

    def seen(self, query: Select[tuple[ScheduledTask]]) -> list[ScheduledTask]:
        """As they are now."""
        self.session.rollback()
        with only_reading():
            return list(self.session.scalars(query.execution_options(populate_existing=True)))

    def states(self) -> dict[str, str]:
        self.session.rollback()
        with only_reading():
            return {
                title: str(status)
                for title, status in self.session.execute(select(Content.title, Content.status))
            }

    def history(self) -> list[dict[str, Any]]:
        """As programs see it, the oldest first."""
        answer = self.program.ask("/api/automation/scheduled-tasks/?ordering=id")
        assert answer.status == 200, answer.text
        return list(json.loads(answer.text)["results"])


@contextmanager
def open_site(
    app: Flask, session: Session, valkey: Redis, fork_server: "subprocess.Popen[str]", folder: Path
) -> Iterator[Site]:
    clock = SharedClock(folder / "clock", datetime.combine(THURSDAY, time(10), BERLIN))
    settings, port = app.extensions["settings"], free_port()
    account = make_account(session, timezone="Europe/Berlin")
    site = make_site(session, account, name="The Garden")
    sector = make_sector(session, site)
    owner = make_user(session, account, Role.OWNER)
    sign_in.set_password(session, owner, PASSWORD, clock.now())
    _, key = api_keys.issue(session, owner, "Program", clock.now())
    fair = {"name": "Garden fair", "starts_on": WEDNESDAY.isoformat(), "ends_on": WEDNESDAY.isoformat()}
    save_calendar(session, account, site, {"pauses": [fair]}, actor=AuditActor(), now=clock.now())
    for title in TITLES:
        make_content(session, sector, title=title, html="<p>All.</p>", status="review")
    with serving() as wordpress:
        wordpress.now = clock.now
        connect(session, sector, wordpress, SecretBox.of(settings), max_per_day=2)
        values = {"OUTBOUND_ALLOW": wordpress.host, "PORT": str(port)}
        with working(fork_server, settings, valkey, folder, clock, **values) as fleet:
            fleet.start("web")
            program = Client(f"http://127.0.0.1:{port}", key)
            eventually(lambda: program.ask("/api/automation/rules/").status == 200, what="the web server")
            yield Site(site.id, session, clock, fleet, wordpress, valkey, owner.email, program)


@pytest.fixture
def site(
    app: Flask, session: Session, valkey: Redis, fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> Iterator[Site]:
    with open_site(app, session, valkey, fork_server, tmp_path) as site:
        yield site


def test_five_articles_take_three_working_days(site: Site) -> None:
    """A weekend, a worker that dies while it publishes, and a closed day come in between."""
    answer = site.program.ask("/api/automation/rules/", **RULE, site=site.id)
    assert answer.status == 201, answer.text
    site.approve(*TITLES[:5])
    site.let_pass(THURSDAY, time(17))
    assert site.published() == []

    site.come_to(FRIDAY)
    run = eventually(lambda: site.waiting(), what="the third waits")[0]
    assert site.published() == TITLES[:2]
    page = site.page(f"/runs/{run.id}")
    assert "Goes on later 3 more wait: at most 2 articles are published on The Garden in a day." in page
    assert "It goes on 30 Nov 2026, 09:00 CET, in their order." in page
    for day, at in ((SATURDAY, time(0)), (SATURDAY, NINE), (SUNDAY, NINE), (MONDAY, time(8))):
        site.let_pass(day, at)
    assert site.published() == TITLES[:2]

    kill_the_worker_at_the_next_post(site)
    site.come_to(MONDAY)
    eventually(lambda: not site.fleet.alive("worker"), what="the worker is dead")
    site.fleet.replace_the_dead()
    # Its claim expires.
    site.clock.move_to(datetime.combine(MONDAY, time(9, 5), BERLIN))
    eventually(lambda: site.published() == TITLES[:4], within=120, what="two more")
    site.let_pass(MONDAY, time(17))
    assert site.published() == TITLES[:4]

    site.let_pass(TUESDAY)
    assert site.published() == TITLES[:5]
    site.approve(TITLES[5])
    site.let_pass(WEDNESDAY)
    assert site.published() == TITLES[:5]
    site.come_to(WEDNESDAY + timedelta(days=1))
    eventually(lambda: site.published() == TITLES, what="what waited for the closed day")
    eventually(lambda: not site.due() and not site.waiting(), what="all is over")
    assert site.states() == dict.fromkeys(TITLES, "published")
    assert [(run["scheduled_at"][8:10], run["status"], run["reason"]) for run in site.history()] == [
        ("27", "completed", None),
        ("30", "skipped", "overlap"),
        ("01", "skipped", "conditions"),
        ("02", "skipped", "closed_day"),
        ("03", "completed", None),
    ]
    assert "The site is closed on Wednesday 2 December 2026 (Garden fair)" in site.page("/history")
    assert audit(site.session, site.clock.now()) == []


def kill_the_worker_at_the_next_post(site: Site) -> None:
    """While the site makes the post: it is made, and nobody gets the answer."""

    def kill(_path: str, _sent: str) -> None:
        for member in site.fleet.alive("worker"):
            member.send(signal.SIGKILL)

    site.wordpress.meanwhile = kill
