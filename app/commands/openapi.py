"""`flask openapi`: the API document, for tools that make clients of it."""

import json

import click
from flask import Flask, current_app
from flask.cli import with_appcontext


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the REST API."""
    # Imported here: workers have the commands too, and never load what answers HTTP.
    from app.modules.openapi.document import openapi_document

    document = openapi_document(current_app._get_current_object())  # type: ignore[attr-defined]
    click.echo(json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True))


def register(app: Flask) -> None:
    """Add the command."""
    app.cli.add_command(openapi)
