"""What is approved is published at 09:00 on working days, at most two a day, whenever somebody approved it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.services.triggering import planning
from app.business.automation.services.triggering.calendar_service import save_calendar
from app.business.events import Origin
from app.business.writer.models import Content
from app.business.writer.services.content_edit import update_content
from app.modules.automation.labels.runs import outcome
from tests.business.automation.actions.publishing_world import World
from tests.infrastructure.wordpress_stand_in import WordPress, serving

BERLIN = ZoneInfo("Europe/Berlin")
THURSDAY = datetime(2026, 11, 26, tzinfo=BERLIN)
MONDAY_AT_NINE = datetime(2026, 11, 30, 9, 0, tzinfo=BERLIN)
HOURS = (0, 8, 9, 16)
"""At which is looked what is due."""


@pytest.fixture
def wordpress() -> Iterator[WordPress]:
    with serving() as wordpress:
        yield wordpress


@pytest.fixture
def world(session: Session, wordpress: WordPress) -> Iterator[World]:
    """A site of Berlin that publishes two a day, at midnight before a Thursday."""
    world = World(session, wordpress)
    world.connection.max_per_day = 2
    world.account.timezone = "Europe/Berlin"
    world.machine.now = THURSDAY.astimezone(UTC)
    session.commit()
    yield world
    assert world.machine.breaches() == []


def publish_at(world: World, cron: str) -> None:
    world.machine.make_rule(
        world.account, trigger="schedule", schedule={"cron": cron, "timezone": "Europe/Berlin"},
        record_type="content", conditions={"field": "status", "operator": "eq", "value": "approved"},
        actions=[{"type": "publish_content"}],
    )  # fmt: skip


def approve(world: World, content: Content) -> None:
    origin = Origin(content.account_id, user_id=None)
    update_content(world.session, content, {"status": "approved"}, origin=origin, now=world.machine.now)
    world.session.commit()


def published_by_hour(world: World, days: int) -> dict[str, list[str]]:
    """What becomes public in so many days from midnight on, by the hour in which it does."""
    found: dict[str, list[str]] = {}
    for number in range(days * len(HOURS)):
        at = world.machine.now.astimezone(BERLIN) + timedelta(days=number > 0 and number % len(HOURS) == 0)
        world.machine.now = at.replace(hour=HOURS[number % len(HOURS)]).astimezone(UTC)
        before = {post["title"] for post in world.posts}
        planning.plan(world.machine.transaction, world.machine.now)
        world.machine.settle()
        if new := {post["title"] for post in world.posts} - before:
            found[f"{world.machine.now.astimezone(BERLIN):%a %H:%M}"] = sorted(new)
    world.machine.pass_time(hours=24 - HOURS[-1])
    return found


@pytest.mark.both_databases
def test_two_a_day_at_nine_on_working_days(world: World) -> None:
    """Five are approved before Thursday's time, one on the weekend, on which nothing is published, nor at night."""
    articles = [world.article(title=f"Number {number}", status="review") for number in range(1, 7)]
    publish_at(world, "0 9 * * 1-5")
    for content in articles[:5]:
        approve(world, content)
    until_friday = published_by_hour(world, 2)
    approve(world, articles[5])
    assert until_friday | published_by_hour(world, 3) == {
        "Thu 09:00": ["Number 1", "Number 2"],
        "Fri 09:00": ["Number 3", "Number 4"],
        "Mon 09:00": ["Number 5", "Number 6"],
    }
    assert "failed" not in {run.status for run in world.machine.runs()}


def test_what_a_weekly_rule_has_begun_goes_on_from_day_to_day(world: World) -> None:
    for number in range(1, 6):
        world.article(title=f"Number {number}")
    publish_at(world, "0 9 * * 4")
    assert published_by_hour(world, 4) == {
        "Thu 09:00": ["Number 1", "Number 2"],
        "Fri 00:00": ["Number 3", "Number 4"],
        "Sat 00:00": ["Number 5"],
    }


def test_it_does_not_go_on_while_the_calendar_is_closed(world: World) -> None:
    closed = {"name": "Fair", "starts_on": "2026-11-27", "ends_on": "2026-11-30"}
    with world.machine.transaction() as session:
        save_calendar(
            session, world.account, None, {"pauses": [closed]}, actor=AuditActor(), now=world.machine.now
        )
    for number in range(1, 4):
        world.article(title=f"Number {number}")
    publish_at(world, "0 9 * * 1-5")
    assert published_by_hour(world, 1) == {"Thu 09:00": ["Number 1", "Number 2"]}
    run = world.machine.runs()[0]
    assert run.not_before == (MONDAY_AT_NINE + timedelta(days=1)).astimezone(UTC)


def test_the_run_says_when_it_goes_on(world: World) -> None:
    for number in range(1, 6):
        world.article(title=f"Number {number}")
    publish_at(world, "0 9 * * 1-5")
    published_by_hour(world, 2)
    run = world.machine.runs()[0]
    assert run.not_before == MONDAY_AT_NINE.astimezone(UTC)
    assert "in a day. It goes on 30 Nov 2026, 09:00 CET, in their order." in run.error_message
    assert outcome(run) == "Goes on later"


def test_a_run_whose_site_did_not_answer_tries_again_within_ten_seconds(world: World) -> None:
    world.wordpress.refusals = [(503, {})]
    run = world.start(world.rule(), world.article())
    world.machine.settle()
    world.session.refresh(run)
    assert (run.status, outcome(run)) == ("pending", "Tries again")
    assert run.not_before
    assert run.not_before - world.machine.now < timedelta(seconds=10)
