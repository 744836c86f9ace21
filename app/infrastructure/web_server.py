"""The web process: gunicorn with threads, configured here and nowhere else."""

from collections.abc import Callable
from typing import Any

import structlog
from gunicorn.app.base import BaseApplication

from app.infrastructure.process_life import die_with_parent
from app.settings import Settings

log = structlog.get_logger(__name__)

THREADS = 16
GRACE_SECONDS = 30
"""Requests being answered get this long at a stop."""


def warn_of_settings(settings: Settings) -> None:
    """One line for each thing in the settings that does not do what whoever set it may expect."""
    if settings.without_effect:
        log.warning(
            "settings_without_effect", names=settings.without_effect, message="Nothing reads them yet."
        )
    if settings.takes_own_addresses:
        log.warning(
            "public_url_missing",
            host=settings.host,
            message=f"Links lead to {settings.site_url}: set PUBLIC_URL to the address that people use.",
        )


class WebServer(BaseApplication):  # type: ignore[misc]
    """Serves one WSGI application, already built."""

    def __init__(self, application: Callable[..., Any], settings: Settings) -> None:
        self.application, self.settings = application, settings
        super().__init__()

    def load_config(self) -> None:
        """The few settings that differ from gunicorn's own."""
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def _options(self) -> dict[str, Any]:
        return {
            "bind": f"{_bracketed(self.settings.host)}:{self.settings.port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "timeout": 120,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 5,
            "loglevel": "warning",
            "accesslog": None,
            # Forwarded headers are read once, by the application, as TRUSTED_PROXIES says.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            # It would open a socket in the home folder; nothing here uses it.
            "control_socket_disable": True,
            "proc_name": "igny8-web",
            "post_fork": _die_with_arbiter,
        }

    def load(self) -> Callable[..., Any]:
        """The application."""
        return self.application


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _die_with_arbiter(_arbiter: Any, worker: Any) -> None:
    die_with_parent(worker.ppid)
