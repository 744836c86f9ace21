"""`up`: one command that migrates, starts every process, and restarts what dies."""

import http.client
import signal
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NamedTuple

import click
import structlog
from flask import Flask, current_app
from flask_migrate import upgrade
from redis import Redis, RedisError
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, DBAPIError

from app.business.accounts.models import Account
from app.business.accounts.services import welcome
from app.business.database_faults import fault_of, first_line
from app.infrastructure import data_folder
from app.infrastructure.database import db, transaction
from app.infrastructure.messaging import heartbeats
from app.infrastructure.messaging.scheduler import run_scheduler
from app.infrastructure.messaging.worker import run_clock_worker, run_step_worker
from app.infrastructure.process_life import set_title
from app.infrastructure.process_restarts import Ended, note_restart
from app.infrastructure.readiness import is_up_to_date, revision_of_a_newer_version
from app.infrastructure.redis_connection import QueueServerAway, become_embedded_server, connect, require
from app.infrastructure.supervisor import Child, NotStarted, StopRequested, Supervisor
from app.infrastructure.web_server import CannotListen, WebServer, listen, warn_of_settings
from app.settings import Settings

STOPS_CLEANLY = (
    CannotListen,
    data_folder.FolderInUse,
    data_folder.FolderUnusable,
    NotStarted,
    QueueServerAway,
)

NEWER = (
    "The tables of the database (version {}) are of a newer version of this console. "
    "Start that version, or restore a backup made before it."
)
RECORD_TRIES, RECORD_PAUSE_SECONDS = 60, 5

log = structlog.get_logger(__name__)


class SignIn(NamedTuple):
    """Whether there is anybody. token: of the link by which an owner signs in who has no password yet."""

    token: str | None
    anybody: bool


def register(app: Flask) -> None:
    app.cli.add_command(up)


@click.command("up")
@click.option("--demo", is_flag=True, help="Load the demo account where there is no account yet.")
def up(demo: bool) -> None:
    """Migrate, start every process, and supervise them until Ctrl-C or SIGTERM."""
    settings: Settings = current_app.extensions["settings"]
    try:
        with data_folder.hold(settings.data_dir):
            listen(settings).close()
            warn_of_settings(settings)
            _supervise(settings, demo)
    except STOPS_CLEANLY as error:
        raise click.ClickException(str(error)) from None


def _supervise(settings: Settings, demo: bool) -> None:
    set_title("supervisor")
    supervisor = Supervisor(lambda line: click.echo(line, err=True), _record_restart)
    try:
        if not settings.redis_url:
            supervisor.start(_queue_server(settings))
        require(settings)
        sign_in = _prepare_database(demo)
        supervisor.go_on()
        supervisor.start(*_processes(settings, datetime.now(UTC)))
        _announce(settings, sign_in)
        supervisor.watch()
    except StopRequested:
        pass
    finally:
        supervisor.stop()


def _record_restart(ended: Ended) -> None:
    """Store the restart; where the database does not answer, retry for some minutes."""
    for _ in range(RECORD_TRIES):
        try:
            with transaction() as session:
                note_restart(session, ended)
        except DBAPIError:
            time.sleep(RECORD_PAUSE_SECONDS)
        else:
            return
    log.warning("restart_not_recorded", process=ended.process, message="The database did not answer.")


def _queue_server(settings: Settings) -> Child:
    # SIGTERM, so that the server writes its data to disk however this process ends.
    return Child(
        "queue server",
        lambda: become_embedded_server(settings.data_dir),
        lambda _pid: _answers(settings),
        grace=10,
        dies_by=signal.SIGTERM,
    )


def _processes(settings: Settings, since: datetime) -> list[Child]:
    """All processes but the queue server."""
    web = WebServer(current_app.wsgi_app, settings, current_app.extensions["callers"])

    def blocking_connection() -> Redis:
        return connect(settings, answer_within=None)

    steps = [
        Child(
            f"step worker {number}",
            lambda: run_step_worker(blocking_connection),
            lambda pid: _works(settings, pid),
        )
        for number in range(1, settings.workers + 1)
    ]
    return [
        Child("web server", web.run, lambda _pid: _serves(settings)),
        Child(
            "clock worker", lambda: run_clock_worker(blocking_connection), lambda pid: _works(settings, pid)
        ),
        *steps,
        Child("scheduler", lambda: run_scheduler(connect(settings)), lambda _pid: _ticks(settings, since)),
    ]


def _prepare_database(demo: bool) -> SignIn:
    """All that this process asks of the database comes before it forks: what it touches later it copies, which was 14
    MB."""
    click.echo("Preparing the database", err=True)
    _bring_tables_up_to_date()
    with transaction() as session:
        is_empty = session.scalar(select(Account.id).limit(1)) is None
    if demo and is_empty:
        from app.demo.loading import load_demo

        click.echo("Loading the demo account", err=True)
        load_demo(transaction, datetime.now(UTC))
    with transaction() as session:
        token = welcome.issue_link(session, datetime.now(UTC))
        found = SignIn(token, session.scalar(select(Account.id).limit(1)) is not None)
    # Children are forked from this process, now and at every restart.
    db.session.remove()
    db.engine.dispose()
    return found


def _bring_tables_up_to_date() -> None:
    try:
        if is_up_to_date():
            return
        if revision := revision_of_a_newer_version():
            raise NotStarted(NEWER.format(revision))
        upgrade()
        # None of a migration's statements is executed again, and all processes would inherit them.
        db.engine.clear_compiled_cache()
    except DatabaseError as error:
        fault = fault_of(error)
        advice = (
            fault.advice if fault else "Restore a backup of it, or move it away to begin with an empty one."
        )
        raise NotStarted(f"The database cannot be used: {first_line(error)}. {advice}") from None


def _announce(settings: Settings, sign_in: SignIn) -> None:
    if sign_in.token:
        click.echo(f"Sign in: {settings.site_url}/welcome/{sign_in.token}")
    if not sign_in.anybody:
        click.echo("There is no account yet: make one with `flask --app wsgi create-account`.", err=True)
    click.echo(f"Ready: {settings.site_url}")


def _answers(settings: Settings) -> bool:
    try:
        with connect(settings) as server:
            return bool(server.ping())
    except RedisError:
        return False


def _serves(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - asks, binds nothing
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _works(settings: Settings, pid: int) -> bool:
    with connect(settings) as server:
        return any(worker.pid == pid for worker in heartbeats.workers(server, datetime.now(UTC)))


def _ticks(settings: Settings, since: datetime) -> bool:
    """Whether the scheduler runs and a sweep that it asked for has finished."""
    with connect(settings) as server:
        last_heartbeats = [
            heartbeats.last_heartbeat_at(server, name) for name in (heartbeats.SCHEDULER, heartbeats.SWEEP)
        ]
    return all(at is not None and at >= since for at in last_heartbeats)
