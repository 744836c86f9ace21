"""Pages stay current: every change updates the version of the pages that show it, and only in that account."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app import ROOT
from app.business.accounts.models import Account, Notice, User, UserSession
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.unit_models import ActionRun
from app.business.base import Base
from app.business.billing.services.credit_service import CreditService
from app.business.planner.models import Keyword
from app.infrastructure import change_hints
from app.infrastructure.database import db
from app.infrastructure.messaging import heartbeats
from app.infrastructure.redis_connection import connect
from app.modules import live
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_pages import counted, make_rule, make_run
from tests.people import People, browser_of, make_people
from tests.sampling import times

PAGES = ROOT / "templates" / "pages"
STAY_AS_READ = {
    # They ask for a confirmation, or contain input: a redraw would change what was agreed to.
    "accounts": ("api_key", "notice_choices", "passkey_name", "passkeys", "person_sites", "profile", "role",
                 "second_factor", "second_factor_off", "sessions", "settings"),
    "automation": ("back_test", "import_look", "import_rules", "make_real", "resume", "retry_all", "rule_change",
                   "rule_form", "run_now", "site_calendar", "switch_on", "test", "undo"),
    "outlets": ("ai", "webhook_form", "webhook_secret", "wordpress"),
    "planner": ("grouping", "import_file", "import_preview", "site"),
    "records": ("edit",),
    ".": ("ask_first",),
}  # fmt: skip
NEVER_CHANGE = {
    "automation": ("describe_rule", "help", "help_section", "templates", "version"),
    "errors": ("error",),
    "openapi": ("call", "docs"),
    "planner": ("import_gone",),
    "writer": ("share_made", "version"),
}


class Scene:
    """One of everything, and the endpoint names of the pages."""

    def __init__(self, session: Session, people: People) -> None:
        self.session, self.people = session, people
        self.account = people.account
        self.rule = make_rule(session, self.account)
        self.run_ = make_run(session, self.rule, "running", started_at=datetime.now(UTC))
        self.operation = Operation(
            account_id=self.account.id,
            kind="bulk_retry",
            total=4321,
            state="running",
            created_at=datetime.now(UTC),
        )
        session.add(self.operation)
        self.sector = make_sector(session, make_site(session, self.account))
        self.keyword = make_keyword(session, self.sector, text="first word")
        session.commit()

    def address(self, page: str) -> str:
        return page.format(
            rule=self.rule.id, run=self.run_.id, keyword=self.keyword.id, operation=self.operation.id
        )


@pytest.fixture(autouse=True)
def no_other_cause(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the clock nor leftovers of earlier tests change the version of a page."""
    monkeypatch.setattr(live, "AT_LEAST_EVERY", 10**9)
    monkeypatch.setitem(app.extensions, "machinery", live.Machinery())


@pytest.fixture
def scene(session: Session) -> Scene:
    return Scene(session, make_people(session))


@pytest.fixture
def owner(app: Flask, session: Session, scene: Scene) -> FlaskClient:
    return browser_of(app, session, scene.people.owner)


Change = Callable[[Scene], Any]
Places = Sequence[tuple[str, str]]
PLANNED = '<dd class="stat-value">1</dd>\n  <dd class="stat-sub"><span>planned for the next minutes'
SHOWN: list[tuple[str, Change, Places]] = []


def shown(*places: tuple[str, str]) -> Callable[[Change], Change]:
    """The change appears as the text on each of the pages."""

    def note(change: Change) -> Change:
        SHOWN.append((change.__name__, change, places))
        return change

    return note


@shown(("/rules/{rule}", "A new name"), ("/rules", "A new name"))
def a_rule_is_saved(scene: Scene) -> None:
    AutomationService().update_rule(
        scene.session, scene.rule, {"name": "A new name"}, Actor(None), datetime.now(UTC)
    )


@shown(("/rules/{rule}", 'aria-checked="false"'), ("/rules", 'aria-checked="false"'))
def a_rule_is_switched_off(scene: Scene) -> None:
    AutomationService().disable(scene.session, scene.rule, Actor(None), datetime.now(UTC))


@shown(*((page, "Too slow.") for page in ("/rules/{rule}", "/history", "/", "/runs/{run}", "/my-work")))
def a_run_fails(scene: Scene) -> None:
    failed = {"status": "failed", "reason": "timed_out", "error_message": "Too slow."}
    ended = update(ScheduledTask).where(ScheduledTask.id == scene.run_.id)
    scene.session.execute(ended.values(**failed, finished_at=datetime.now(UTC)))


@shown(("/runs/{run}", "left out for a reason"))
def a_step_of_a_run_is_done(scene: Scene) -> None:
    scene.session.add(ActionRun(
        account_id=scene.account.id, run_id=scene.run_.id, step=0, type="cluster_keywords", record_type="keyword",
        record_id=scene.keyword.id, status="failed", provider_key="key", message="left out for a reason",
        started_at=datetime.now(UTC)))  # fmt: skip


@shown(("/history", "1 planned"), ("/", "its run</a>"), ("/system", PLANNED))
def a_run_is_planned(scene: Scene) -> None:
    make_run(scene.session, scene.rule, "pending", timedelta(hours=-9), attempt=0)


@shown(("/", "7,777"), ("/system/header", "7,777"), ("/credits", "7,777"), ("/rules/{rule}", "7,777"))
def credits_are_granted(scene: Scene) -> None:
    account = scene.session.get_one(Account, scene.account.id, populate_existing=True)
    CreditService().add(scene.session, account_id=account.id, amount=7777 - account.credits_available,
                        kind="adjust", key="more", reason="More", now=datetime.now(UTC))  # fmt: skip


@shown(("/", "1 unread notice"), ("/notices", "Look at this"))
def somebody_is_told_something(scene: Scene) -> None:
    notice = {"level": "info", "title": "Look at this", "body": "Now", "created_at": datetime.now(UTC)}
    scene.session.add(Notice(account_id=scene.account.id, **notice))


@shown(("/", "All automation is paused"), ("/keywords", "All automation is paused"))
def all_is_paused(scene: Scene) -> None:
    now = datetime.now(UTC)
    scene.session.execute(update(Account).where(Account.id == scene.account.id).values(paused_at=now))


@shown(("/keywords", "a fresh word"))
def a_keyword_is_added(scene: Scene) -> None:
    make_keyword(scene.session, scene.sector, text="a fresh word")


@shown(("/keywords", "Ignored</span>"), ("/keywords/{keyword}", "Ignored</span>"))
def a_keyword_is_ignored(scene: Scene) -> None:
    scene.session.execute(update(Keyword).where(Keyword.id == scene.keyword.id).values(status="ignored"))


@shown(("/operations/{operation}", "1,234 of 4,321"))
def an_operation_gets_on(scene: Scene) -> None:
    done = update(Operation).where(Operation.id == scene.operation.id).values(done=1234)
    scene.session.execute(done)


@shown(("/team", "Newcomer"))
def somebody_is_renamed(scene: Scene) -> None:
    scene.session.execute(update(User).where(User.id == scene.people.viewer.id).values(name="Newcomer"))


def of(cases: Sequence[tuple[str, Change, Places]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("change", "places"), [case[1:] for case in cases], ids=[case[0] for case in cases]
    )


WITH_FAULTS = times(full=SHOWN, sample=SHOWN[:3])


def mark_of(page: str) -> str:
    found = re.search(r'data-mark="(\w+)"', page)
    assert found
    return found[1]


def asks(browser: FlaskClient, mark: str) -> int:
    headers = {"If-None-Match": f'"{mark}"', "Console-Redraw": "1"}
    return browser.get("/system/moved", headers=headers).status_code


def drawn_marks(browser: FlaskClient, places: Sequence[tuple[str, str]]) -> list[str]:
    marks = []
    for address, wanted in places:
        drawn = browser.get(address).text
        assert wanted not in drawn, f"{address} says so already"
        marks.append(mark_of(drawn))
    return marks


def stays_true(browser: FlaskClient, scene: Scene, change: Change, places: Places) -> bool:
    """Whether every page that shows the change has a new version."""
    before = [(scene.address(page), wanted) for page, wanted in places]
    # Without hints any transaction of the PostgreSQL server moves the mark, such as one of its own maintenance.
    for _ in range(5):
        marks = drawn_marks(browser, before)
        if is_still := all(asks(browser, mark) == 304 for mark in marks):
            break
    assert is_still
    change(scene)
    scene.session.commit()
    for address, wanted in before:
        assert wanted in browser.get(address).text, address
    return all(asks(browser, mark) == 204 for mark in marks)


@of(SHOWN)
def test_every_change_moves_the_pages_that_show_it(
    change: Change, places: Places, owner: FlaskClient, scene: Scene
) -> None:
    assert stays_true(owner, scene, change, places)


@of(WITH_FAULTS)
def test_a_write_without_a_hint_is_found(
    change: Change,
    places: Places,
    owner: FlaskClient,
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(change_hints, "SHOWN_NOWHERE", frozenset(Base.metadata.tables))
    assert not stays_true(owner, scene, change, places)


@pytest.mark.usefixtures("without_queue_server")
@of(WITH_FAULTS)
def test_without_a_queue_server_pages_ask_the_database(
    change: Change, places: Places, owner: FlaskClient, scene: Scene
) -> None:
    assert stays_true(owner, scene, change, places)


@pytest.fixture
def without_queue_server(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = app.extensions["settings"].model_copy(update={"redis_url": "unix:///nowhere/valkey.sock"})
    with app.app_context():
        monkeypatch.setattr(change_hints._hints[db.engine], "_server", connect(nowhere))


def test_another_account_is_not_disturbed(app: Flask, session: Session, scene: Scene) -> None:
    stranger = browser_of(app, session, scene.people.stranger)
    mark = mark_of(stranger.get("/").text)
    a_rule_is_saved(scene)
    session.commit()
    assert asks(stranger, mark) == 304


def test_an_idle_poll_does_not_use_the_database(owner: FlaskClient, scene: Scene) -> None:
    mark = mark_of(owner.get("/").text)
    with counted() as sent:
        assert asks(owner, mark) == 304
    assert sent == []


def test_an_ended_session_learns_only_that_nothing_has_changed(
    owner: FlaskClient, session: Session, scene: Scene
) -> None:
    mark = mark_of(owner.get("/").text)
    session.execute(delete(UserSession))
    session.commit()
    assert asks(owner, mark) == 304
    assert asks(owner, "older") == 302
    owner.application.extensions["askers"] = live.Askers()
    assert asks(owner, mark) == 302


@pytest.mark.usefixtures("without_queue_server")
def test_an_idle_poll_sends_two_statements_at_most_without_a_queue_server(
    owner: FlaskClient, scene: Scene
) -> None:
    mark = mark_of(owner.get("/").text)
    with counted() as sent:
        assert asks(owner, mark) == 304
    assert len(sent) <= 2, sent


def test_silent_machinery_moves_every_page(
    owner: FlaskClient, app: Flask, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = mark_of(owner.get("/").text)
    heartbeats.record_heartbeat(valkey, heartbeats.SCHEDULER, datetime.now(UTC))
    monkeypatch.setitem(app.extensions, "machinery", live.Machinery())
    assert asks(owner, mark) == 204


def test_polling_keeps_nobody_signed_in_and_takes_no_message(
    owner: FlaskClient, session: Session, scene: Scene
) -> None:
    longer_ago = datetime.now(UTC) - timedelta(hours=11)
    session.execute(update(UserSession).values(seen_at=longer_ago))
    session.commit()
    owner.post("/pause-all")
    session.execute(update(UserSession).values(seen_at=longer_ago))
    session.commit()
    assert "All automation is paused. Runs wait" not in owner.get("/", headers={"Console-Redraw": "1"}).text
    asks(owner, "none")
    session.expire_all()
    assert session.scalars(select(UserSession.seen_at)).one() == longer_ago
    assert "All automation is paused. Runs wait" in owner.get("/").text


def test_every_page_is_redrawn_or_listed_as_static() -> None:
    pages = {
        path.relative_to(PAGES).with_suffix("").as_posix(): path.read_text() for path in PAGES.rglob("*.html")
    }
    still = {
        PurePosixPath(folder, name).as_posix()
        for group in (STAY_AS_READ, NEVER_CHANGE)
        for folder, names in group.items()
        for name in names
    }
    of_console = {name for name, source in pages.items() if "layouts/console.html" in source}
    assert {name for name in of_console if "{% set live = true %}" not in pages[name]} == still


def test_upcoming_is_the_same_number_everywhere(owner: FlaskClient, session: Session, scene: Scene) -> None:
    waiting = {"waiting_for": "day", "waiting_since": datetime.now(UTC)}
    for count, values in ((12, {}), (2, waiting), (3, {"not_before": datetime.now(UTC) + timedelta(days=2)})):
        for number in range(count):
            make_run(session, scene.rule, "pending", timedelta(hours=-9 - number), attempt=0, **values)
    make_run(session, scene.rule, "pending", not_before=datetime.now(UTC) + timedelta(hours=1))
    assert "Upcoming: 17 planned" in owner.get("/history").text
    assert re.search(r"Upcoming</\w+>\s*<[^>]*>17<", owner.get("/system").text)
