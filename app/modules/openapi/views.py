"""The API document: as JSON for programs, and as pages for people."""

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import NotFound
from app.modules.access import allow
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.fields import JsonObject
from app.modules.openapi import reading
from app.modules.openapi.document import document_of
from app.modules.openapi.problems import PROBLEM_CODES
from app.modules.openapi.texts import AREAS
from app.modules.web import htmx

api = ApiBlueprint("document_api", __name__, url_prefix="/api")
pages = Blueprint("api", __name__)


@api.call("GET", "/openapi.json", Role.VIEWER, answers={200: JsonObject})
def get_document() -> Response:
    """This document: every call of the API, in OpenAPI 3.1."""
    return jsonify(_document())


@allow(Role.VIEWER)
def docs() -> ResponseReturnValue:
    """All calls, or those that a search finds."""
    text = request.args.get("text", "").strip()
    found = reading.matching(_document(), text)
    areas = [(name, words, calls) for name, words in AREAS.items() if (calls := _of_area(found, name))]
    template = "partials/openapi/api_calls.html" if htmx().is_partial else "pages/openapi/docs.html"
    return render_template(template, areas=areas, text=text, codes=PROBLEM_CODES, marked=reading.marked)


@allow(Role.VIEWER)
def call(operation: str) -> ResponseReturnValue:
    """One call: what it takes and answers, and a form to send it."""
    document = _document()
    found = next((call for call in reading.operations(document) if call.name == operation), None)
    if found is None:
        raise NotFound()
    return render_template(
        "pages/openapi/call.html",
        call=found,
        marked=reading.marked,
        area=AREAS[found.area],
        parameters=reading.parameters(document, found),
        body=reading.body_fields(document, found),
        media_type=reading.media_type(found),
        answer=reading.answer_fields(document, found),
        example=reading.example(found),
        host_url=request.host_url.rstrip("/"),
    )


def _document() -> reading.Document:
    return document_of(current_app._get_current_object())  # type: ignore[attr-defined]


def _of_area(calls: list[reading.DocumentedCall], area: str) -> list[reading.DocumentedCall]:
    return [call for call in calls if call.area == area]
