"""IGNY8 Automation: the application, put together."""

from pathlib import Path

from flask import Flask

from app import commands
from app.business.outlets.services.ai_connections import HAS_MODEL
from app.infrastructure import change_hints, database, run_log  # noqa: F401 - listens to all sessions
from app.infrastructure.ai import names_provider
from app.infrastructure.messaging import relay
from app.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent


def create_app(settings: Settings | None = None, *, web: bool = True) -> Flask:
    """The application. Workers and commands need no pages: `web=False` leaves them out."""
    settings = settings or load_settings()
    app = Flask("igny8", root_path=str(ROOT), static_folder="static", template_folder="templates")
    app.extensions["settings"] = settings
    app.config["SECRET_KEY"] = settings.signing_key
    database.init_app(app, settings.sqlalchemy_url, {HAS_MODEL: names_provider(settings)})
    relay.init_app(app, settings)
    change_hints.init_app(app, settings)
    commands.register(app)
    if web:
        # Imported here so that workers do not load pages, forms and API schemas that they never serve.
        from app import modules

        modules.register(app, settings)
        if not settings.sqlalchemy_url.startswith("sqlite"):
            # With it comes PostgreSQL's driver, which would take 5 MB and a thirtieth of a start.
            from app.infrastructure import kept_plans

            kept_plans.init_app(app)
    return app
