"""A copy of release 0.3.0 is upgraded with work in progress: every page answers, every run ends, the ledger agrees."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import downgrade, upgrade
from jinja2 import FileSystemBytecodeCache
from redis import Redis
from sqlalchemy import Connection, func, inspect, make_url, select, text
from sqlalchemy.orm import Session

from app import create_app
from app.business.accounts.models import Account, Role, User
from app.business.accounts.services.scope import Scope
from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import CLOSED, ScheduledTask, Status, Waiting
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.history import credit_days
from app.business.automation.services.history.credit_use import credit_use
from app.business.automation.services.preflight.chain_release import go_on
from app.business.automation.services.rules.known_rules import known_rule
from app.business.automation.services.runs import recovery, waiting
from app.business.automation.services.triggering import planning
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditDay, EntryKind
from app.business.billing.services import replenishment
from app.business.billing.services.credit_service import CreditService
from app.business.periods import last_days
from app.infrastructure.database import db
from app.modules.automation.rule_form.step_table import STEPS, step_of
from app.settings import Settings
from tests import databases, release_0_3_0
from tests.business.automation.machine import Machine
from tests.people import browser_of, program_of
from tests.release_0_3_0 import STOPPED_AT
from tests.sampling import times

LISTS = (
    "/api/automation/rules/",
    "/api/automation/scheduled-tasks/",
    "/api/automation/scheduled-tasks/?upcoming=true",
    "/api/automation/summary/",
    "/api/automation/catalog/",
    "/api/planner/sites/",
    "/api/planner/sectors/",
    "/api/planner/keywords/",
    "/api/planner/clusters/",
    "/api/planner/ideas/",
    "/api/writer/tasks/",
    "/api/writer/content/",
    "/api/billing/credits/",
    "/api/billing/ledger/",
)
MOST_ALIKE = times(full=10_000, sample=1)
"""Pages of one kind (all rules, all runs, ...) that are looked at in an account."""
IN_NEED_OF_REPAIR = {
    "Follows a rule beyond all numbers": "trigger_options.rule_id",
    "Follows a rule that is not there": "trigger_options.rule_id",
    "Pauses a rule that is not there": "actions[0].params.rule_id",
    "Compares a field with itself": "conditions",
    "Unknown field": "conditions",
    "Unknown action": "actions[0].type",
    "Foreign ids": "actions[0].params",
    "Text with an unknown name": "actions[0].params.message",
}
"""Rules whose stored values are refused today, and the field that says so."""


@pytest.fixture
def old_app(
    database_url: str, valkey_server: str, valkey: Redis, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Flask]:
    """The application on a database that 0.3.0 left behind, not yet upgraded."""
    with _database(database_url, tmp_path, request) as url, _app_on(url, valkey_server, tmp_path) as app:
        with app.app_context():
            release_0_3_0.restore()
        yield app


@pytest.fixture(scope="module")
def upgraded_database(
    database_url: str,
    valkey_server: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """Address of an upgraded database of 0.3.0, of which tests take copies: an upgrade takes seconds."""
    folder = tmp_path_factory.mktemp("upgraded")
    with _database(database_url, folder, request) as url:
        with _app_on(url, valkey_server, folder) as app, app.app_context():
            release_0_3_0.restore()
            upgrade()
        yield url


@pytest.fixture
def upgraded(
    upgraded_database: str,
    valkey_server: str,
    valkey: Redis,
    compiled_templates: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Flask]:
    with (
        _database(upgraded_database, tmp_path, request, template=upgraded_database) as url,
        _app_on(url, valkey_server, tmp_path) as app,
    ):
        app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled_templates))
        yield app


@contextmanager
def _database(kind: str, folder: Path, request: pytest.FixtureRequest, template: str = "") -> Iterator[str]:
    """Address of an empty database of the same kind, or of a copy of `template`."""
    if kind.startswith("sqlite"):
        if template:
            shutil.copyfile(make_url(template).database or "", folder / "old.sqlite3")
        yield f"sqlite:///{folder / 'old.sqlite3'}"
        return
    server = request.getfixturevalue("postgresql_server")
    with databases.own_database(server, template=make_url(template).database if template else None) as url:
        yield url


@contextmanager
def _app_on(url: str, valkey_server: str, folder: Path) -> Iterator[Flask]:
    secret = "a-key-that-only-the-tests-use-0123456789"
    settings = Settings(database_url=url, redis_url=valkey_server, secret_key=secret, data_dir=folder)
    app = create_app(settings)
    app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_the_rows_of_0_3_0_survive_upgrade_and_downgrade(old_app: Flask) -> None:
    with old_app.app_context():
        before = _counts()
        upgrade()
        downgrade(revision=release_0_3_0.REVISION)
        assert _counts() == before


def test_every_page_and_list_answers_after_the_upgrade(upgraded: Flask) -> None:
    with upgraded.app_context():
        for account in db.session.scalars(select(Account).order_by(Account.id)):
            owner = _owner(db.session(), account)
            assert _broken_pages(browser_of(upgraded, db.session(), owner)) == {}, account.name
            program = program_of(upgraded, db.session(), owner)
            assert {path: program.get(path).status_code for path in LISTS} == dict.fromkeys(LISTS, 200)


def test_rules_with_values_refused_today_say_what_needs_repair(upgraded: Flask) -> None:
    with upgraded.app_context():
        harbour = db.session.scalars(select(Account).where(Account.name == "Harbour")).one()
        owner = browser_of(upgraded, db.session(), _owner(db.session(), harbour))
        ids = dict(iter(db.session.execute(select(AutomationRule.name, AutomationRule.id))))
        for name, field in IN_NEED_OF_REPAIR.items():
            page = owner.get(f"/rules/{ids[name]}")
            assert page.status_code == 200, name
            title = next(step.title for step in STEPS if step.key == step_of(field))
            assert "This rule needs repair" in page.text, name
            assert f"<p><strong>{title}" in page.text, name
            assert field not in page.text, name


def test_every_run_of_0_3_0_ends_and_the_books_agree(upgraded: Flask) -> None:
    with upgraded.app_context():
        session = db.session()
        machine = Machine(session, now=STOPPED_AT)
        under_way = [run.id for run in machine.runs() if run.status not in CLOSED]
        _let_waiting_runs_go_on(machine)
        for hours in (1, 23, 24, 24, 8 * 24, 31 * 24, 31 * 24):
            machine.pass_time(hours=hours)
            _sweep(machine)
        open_still = [
            (run.id, run.rule_name, run.status, run.waiting_for)
            for run in machine.runs(Status.PENDING, Status.RUNNING)
            if run.id in under_way
        ]
        assert open_still == []
        _archive_what_needs_repair(machine)
        assert machine.breaches() == []


def test_credits_of_0_3_0_are_told_by_site_and_action(upgraded: Flask) -> None:
    """Before the sums have them and afterwards; sums made before the actions were known begin anew."""
    with upgraded.app_context():
        session = db.session()
        accounts = session.execute(select(Account.id, Account.timezone)).all()
        assert any(_used_by_unit(session, id) for id, _ in accounts)
        credit_days.keep_sums(lambda: nullcontext(session))
        session.commit()
        downgrade(revision="0069")
        upgrade()
        for has_sums in (False, True):
            if has_sums:
                credit_days.keep_sums(lambda: nullcontext(session))
            assert bool(session.scalar(select(func.count()).select_from(CreditDay))) == has_sums
            for id, zone in accounts:
                used = credit_use(session, Scope(id), last_days(30, zone, STOPPED_AT), zone)
                assert used.by_action == _used_by_unit(session, id)
                assert used.total == sum(used.by_site.values())
        session.rollback()


def _used_by_unit(session: Session, account_id: int) -> dict[str, int]:
    """Credits by action, from the receipts of the work."""
    rows = session.execute(
        select(ActionRun.type, func.sum(ActionRun.credits))
        .where(ActionRun.account_id == account_id, ActionRun.credits > 0)
        .group_by(ActionRun.type)
    )
    return {action: int(credits) for action, credits in rows}


def _archive_what_needs_repair(machine: Machine) -> None:
    """Somebody acts on the batches that could not be delivered, as the audit asks."""
    (asked,) = machine.breaches()
    assert asked.startswith("given_up")
    given_up = select(BatchDelivery.rule_id).where(BatchDelivery.state == Delivery.FAILED)
    for rule_id in machine.session.scalars(given_up).all():
        rule = machine.session.get_one(AutomationRule, rule_id)
        AutomationService().archive(machine.session, rule, Actor(None), machine.now)
    machine.session.commit()


def _let_waiting_runs_go_on(machine: Machine) -> None:
    """What people do for runs that wait for them: resume, continue, add credits."""
    session = machine.session
    for account in session.scalars(select(Account)):
        if account.paused_at:
            account.paused_at = None
            waiting.wake_after_pause(session, account.id)
        CreditService().add(
            session,
            account_id=account.id,
            kind=EntryKind.ADJUST,
            amount=500,
            key="test-credits",
            reason="More credits",
            now=machine.now,
        )
        waiting.wake_for_credits(session, account.id)
    held_up = session.scalars(select(ScheduledTask).where(ScheduledTask.waiting_for == Waiting.REVIEW)).all()
    for run in held_up:
        go_on(session, run, machine.now)
    session.commit()


def _sweep(machine: Machine) -> None:
    """Rescue, grant, plan and work as the processes do."""
    recovery.rescue(machine.transaction, machine.clock)
    replenishment.replenish_monthly_credits(machine.transaction, machine.now)
    planning.plan(machine.transaction, machine.now)
    machine.settle()


def _owner(session: Session, account: Account) -> User:
    return session.scalars(select(User).where(User.account_id == account.id, User.role == Role.OWNER)).one()


def _counts() -> dict[str, int]:
    """Rows by table of 0.3.0."""
    with db.engine.connect() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return {
            name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()
            for name in sorted(names)
        }


@pytest.fixture
def upgraded_with_odd_rows(old_app: Flask) -> Flask:
    """Before the upgrade rules had options without effect, and a site keywords that are one today."""
    with old_app.app_context():
        with db.engine.begin() as connection:
            for values in ("batching = 'each', overlap = 'queue', record_minimum = 2", "catch_up = 'none'"):
                connection.execute(text(f"UPDATE automation_rule SET {values}, catch_up_hours = 3"))
            for word in ("straße", "strasse", "stras\u00adse"):
                _add_keyword(connection, word)
        upgrade()
    return old_app


def _add_keyword(connection: Connection, word: str) -> None:
    """Another keyword like the first one."""
    row = connection.execute(text("SELECT * FROM keyword ORDER BY id LIMIT 1")).mappings().one()
    copy = {**row, "id": None, "text": word, "made_key": None}
    names = [name for name in copy if name != "id"]
    values = ", ".join(f":{name}" for name in names)
    insert = f"INSERT INTO keyword ({', '.join(names)}) VALUES ({values})"
    connection.execute(text(insert), {name: _stored(copy[name]) for name in names})


def test_odd_rows_of_0_3_0_are_upgraded(upgraded_with_odd_rows: Flask) -> None:
    with upgraded_with_odd_rows.app_context():
        options_without_effect_need_no_repair()
        keywords_that_become_the_same_are_kept_and_named()


def options_without_effect_need_no_repair() -> None:
    rules = db.session.scalars(select(AutomationRule)).all()
    assert {rule.batching for rule in rules if rule.trigger == "schedule"} == {"batch"}
    assert "each" in {rule.batching for rule in rules if rule.trigger != "schedule"}
    sound = [rule for rule in rules if rule.name not in IN_NEED_OF_REPAIR]
    faults = {field for rule in sound for field in known_rule(rule).errors}
    assert faults & {"batching", "overlap", "record_minimum", "catch_up", "catch_up_hours"} == set()


def keywords_that_become_the_same_are_kept_and_named() -> None:
    query = "SELECT text, text_key, text_folded FROM keyword WHERE text LIKE 'stra%e' ORDER BY id"
    rows = db.session.execute(text(query)).all()
    assert [tuple(row)[0::2] for row in rows] == [
        ("straße", "strasse"),
        ("strasse", "strasse"),
        ("stras\u00adse", "strasse"),
    ]
    assert len({row.text_key for row in rows}) == 3
    notice = db.session.execute(text("SELECT title, body FROM notice WHERE key = 'same-keywords'")).one()
    assert "“straße” = “strasse”" in notice.body
    assert "Nothing was merged" in notice.body


def _stored(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _broken_pages(browser: FlaskClient) -> dict[str, int]:
    """Follow links from the dashboard; addresses that answer neither 200 (or 204: no news) nor a way elsewhere."""
    seen, waiting_paths, broken = {"/"}, ["/"], {}
    alike: Counter[str] = Counter()
    while waiting_paths:
        path = waiting_paths.pop()
        answer = browser.get(path)
        needs_repair = answer.status_code == 409 and "This rule needs repair. " in answer.text
        if answer.status_code not in (200, 204, 302, 303) and not needs_repair:
            broken[path] = answer.status_code
        links = (
            re.findall(r'(?:href|hx-get)="(/[^"#]*)"', answer.text) if answer.mimetype == "text/html" else []
        )
        for link in map(unescape, links):
            # One address for each page: filters and sorting of lists are tested where lists are.
            page = urlsplit(link).path
            if page not in seen and not page.startswith("/static/"):
                seen.add(page)
                kind = re.sub(r"\d+", "0", page)
                alike[kind] += 1
                if alike[kind] <= MOST_ALIKE:
                    waiting_paths.append(link)
    return broken
