"""The commands of `flask --app wsgi …`."""

from collections.abc import Sequence

from flask import Flask

from app.commands import accounts, audit, billing, demo, mail, openapi, processes, up

WITHOUT_PAGES = frozenset(
    {
        "add-credits", "api-key", "audit", "change-plan", "clock", "create-account", "db", "demo", "end-second-factor",
        "reset-password", "scheduler", "send-test-mail", "sweep", "worker",
    }
)  # fmt: skip
"""Commands that serve no pages and no API: without them a process starts a third faster and takes less memory."""
_WITH_VALUE = ("--app", "-A", "--env-file", "-e")


def needs_pages(arguments: Sequence[str]) -> bool:
    """Whether the command that stands in these arguments of `flask` serves pages, or is one that is not known here."""
    rest = iter(arguments)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word not in WITHOUT_PAGES
    return True


def register(app: Flask) -> None:
    accounts.register(app)
    audit.register(app)
    billing.register(app)
    demo.register(app)
    mail.register(app)
    openapi.register(app)
    processes.register(app)
    up.register(app)
