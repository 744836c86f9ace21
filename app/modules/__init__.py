"""Pages and REST API, one package for each area; `register` is the list of them."""

from flask import Flask

from app.modules import web
from app.settings import Settings


def register(app: Flask, settings: Settings) -> None:
    """Everything that answers HTTP."""
    web.init_web(app, settings)
