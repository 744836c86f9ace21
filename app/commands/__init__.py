"""The commands of `flask --app wsgi …`."""

from flask import Flask


def register(app: Flask) -> None:
    """Add every command to the application's command line."""
