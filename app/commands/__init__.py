"""The commands of `flask --app wsgi …`."""

from flask import Flask

from app.commands import accounts, audit, billing, demo, mail, openapi, processes, up


def register(app: Flask) -> None:
    accounts.register(app)
    audit.register(app)
    billing.register(app)
    demo.register(app)
    mail.register(app)
    openapi.register(app)
    processes.register(app)
    up.register(app)
