"""The single processes: what `up` supervises, each by itself, for installations on several machines."""

from collections.abc import Callable
from functools import wraps

import click
from flask import Flask, current_app

from app.infrastructure.messaging.automation_tasks import sweep as sweep_once
from app.infrastructure.messaging.scheduler import run_scheduler
from app.infrastructure.messaging.worker import run_clock_worker, run_step_worker
from app.infrastructure.process_life import set_title
from app.infrastructure.redis_connection import QueueServerAway, connect, require
from app.infrastructure.web_server import CannotListen, WebServer, warn_of_settings
from app.settings import Settings


def register(app: Flask) -> None:
    for command in (web, worker, clock, scheduler, sweep):
        app.cli.add_command(command)


def _with_queue_server(run: Callable[[Settings], None]) -> Callable[[], None]:
    """Print one plain sentence and exit with 1 when the queue server does not answer."""

    @wraps(run)
    def command() -> None:
        settings: Settings = current_app.extensions["settings"]
        try:
            require(settings)
        except QueueServerAway as error:
            raise click.ClickException(str(error)) from None
        run(settings)

    return command


@click.command("web")
def web() -> None:
    """Serve pages and the REST API."""
    set_title("web server")
    warn_of_settings(current_app.extensions["settings"])
    try:
        made = current_app.extensions
        WebServer(current_app.wsgi_app, made["settings"], made["callers"]).run()
    except CannotListen as error:
        raise click.ClickException(str(error)) from None


@click.command("worker")
@_with_queue_server
def worker(settings: Settings) -> None:
    """Run one step worker: runs with outside calls or clustering."""
    set_title("step worker")
    run_step_worker(lambda: connect(settings, answer_within=None))


@click.command("clock")
@_with_queue_server
def clock(settings: Settings) -> None:
    """Run one clock worker: planning, sweep, events, and runs whose actions are all local."""
    set_title("clock worker")
    run_clock_worker(lambda: connect(settings, answer_within=None))


@click.command("scheduler")
@_with_queue_server
def scheduler(settings: Settings) -> None:
    """Run one scheduler; several may run, one of them acts."""
    set_title("scheduler")
    run_scheduler(connect(settings))


@click.command("sweep")
@_with_queue_server
def sweep(_settings: Settings) -> None:
    """Look once for everything that was left undone, as every 15 seconds."""
    sweep_once()
