"""Refusals and faults for people and programs: a page, a message beside it, or a JSON problem."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, flash, g, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from markupsafe import Markup
from pydantic import JsonValue
from sqlalchemy.exc import DBAPIError, IntegrityError, TimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError, TooManyRequests, Unauthorized

from app.business.database_faults import fault_of, in_one_line
from app.business.errors import Blocked, Busy, Invalid, NotFound, Refusal, Stale
from app.infrastructure.database import db
from app.modules import carry_over
from app.modules.access import SAFE_METHODS, is_api, own_path
from app.modules.refusal_log import init_refusal_log, note_refusal, note_refused, place
from app.modules.throttle import seconds_to_wait
from app.modules.web import htmx

log = logging.getLogger(__name__)

RELOAD = "Your page was open for long; nothing was saved. Reload it and send it again."
AT_THE_SAME_MOMENT = (
    "Somebody changed the same thing at the same moment. Nothing was saved: reload and try again."
)


def init_errors(app: Flask) -> None:
    """Register the handlers of every refusal and fault."""
    init_refusal_log(app)
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(CSRFError, _form_too_old)
    app.register_error_handler(Unauthorized, _form_too_old)
    app.register_error_handler(TooManyRequests, _too_often)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(IntegrityError, _at_the_same_moment)
    app.register_error_handler(DBAPIError, _database_fault)
    app.register_error_handler(TimeoutError, _database_fault)
    app.register_error_handler(InternalServerError, _broken)


def _refused(error: Refusal) -> Response:
    answer = make_response(_refusal(error))
    if isinstance(error, Busy):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _refusal(error: Refusal) -> ResponseReturnValue:
    note_refused(error)
    message = None if isinstance(error, NotFound) else error.message
    errors = error.errors if isinstance(error, Invalid | Blocked) else None
    if is_api():
        more = error.details if isinstance(error, Stale) else None
        return _problem(error.status, message, errors, code=error.code, more=more)
    return _answer(error.status, message, errors)


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    answer = _answer(error.code, None)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After", "WWW-Authenticate"):
            answer.headers[name] = value
    return answer


def _form_too_old(error: HTTPException) -> ResponseReturnValue:
    """The page outlived its session: nothing is saved, and the form can be submitted again after a sign-in."""
    code = error.code or HTTPStatus.BAD_REQUEST
    if code != HTTPStatus.UNAUTHORIZED:
        note_refusal("token missing or wrong")
    if is_api():
        has_words = error.description != type(error).description
        no_key = error.description if has_words else "Send a valid key: Authorization: Bearer igny8_…"
        answer = _problem(code, no_key if code == 401 else "Send the X-CSRFToken header of your session.")
        if code == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    if htmx():
        return _message(code, _signed_out() if code == 401 else RELOAD)
    page, kept = own_path(urlsplit(request.referrer or "").path), carry_over.pack() if code == 401 else None
    typed = [
        (name, text) for name, text in carry_over.typed_now() if text and name not in carry_over.OWN_FIELDS
    ]
    shown = render_template("pages/errors/form_too_old.html", typed=typed, code=code, page=page, kept=kept)
    return shown, code, {"Cache-Control": "no-store"}


def _signed_out() -> str:
    link = Markup('<a href="{}" target="_blank" rel="noopener">Sign in in a new tab</a>')
    return Markup("You were signed out meanwhile. {}, then go on here: nothing on this page is lost.").format(
        link.format(url_for("accounts.sign_in"))
    )


def _too_often(error: TooManyRequests) -> ResponseReturnValue:
    note_refusal("too often", str(error.description or ""))
    wait = error.retry_after if isinstance(error.retry_after, int) else seconds_to_wait()
    which = f"{error.description} " if isinstance(error.retry_after, int) else ""
    answer = _answer(429, f"{which}Try again in {_span(wait)}.")
    answer.headers["Retry-After"] = str(wait)
    return answer


def _span(seconds: int) -> str:
    number, unit = (seconds, "second") if seconds < 60 else (-(-seconds // 60), "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _at_the_same_moment(error: IntegrityError) -> ResponseReturnValue:
    db.session.rollback()
    note_refusal("not possible now", in_one_line(error))
    return _answer(HTTPStatus.CONFLICT, AT_THE_SAME_MOMENT)


def _database_fault(error: DBAPIError | TimeoutError) -> ResponseReturnValue:
    fault = fault_of(error)
    if fault is None:
        raise error
    db.session.rollback()
    log.error("database %s: %s %s, %s", fault.state, request.method, place(), in_one_line(error))
    nothing = "" if request.method in SAFE_METHODS else " Nothing was saved."
    answer = _answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{fault.sentence}{nothing}")
    answer.headers["Retry-After"] = str(fault.retry_after)
    return answer


def _broken(error: InternalServerError) -> ResponseReturnValue:
    db.session.rollback()
    number = secrets.token_hex(4)
    log.error("error %s at %s %s", number, request.method, request.path, exc_info=error.original_exception)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"Its number in the log: {number}.")


def _answer(code: int, message: str | None, errors: Mapping[str, Sequence[str]] | None = None) -> Response:
    if is_api():
        return _problem(code, message, errors)
    if htmx().is_partial:
        return _message(code, message or HTTPStatus(code).phrase)
    # The menu is read from the database, which may be what is broken.
    is_framed = g.get("person") is not None and code < HTTPStatus.INTERNAL_SERVER_ERROR
    again = own_path(request.full_path.removesuffix("?")) if _may_open_later(code) else None
    page = render_template(
        "pages/errors/error.html",
        code=code,
        message=message,
        is_framed=is_framed,
        back=_form_page(),
        again=again,
    )
    return make_response(page, code)


def _may_open_later(code: int) -> bool:
    passes = code == HTTPStatus.TOO_MANY_REQUESTS or code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return passes and request.method in SAFE_METHODS


def _form_page() -> str | None:
    """The page whose form was refused; None where nothing was sent."""
    came_from = urlsplit(request.referrer or "")
    if request.method in SAFE_METHODS or came_from.netloc != request.host:
        return None
    return own_path(f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path)


def _problem(
    status: int,
    message: str | None,
    errors: Mapping[str, Sequence[str]] | None = None,
    *,
    code: str | None = None,
    more: Mapping[str, JsonValue] | None = None,
) -> Response:
    """RFC 9457. `code`: its name for programs, else the status's; `more`: further members of this problem."""
    about = HTTPStatus(status)
    code = code or about.name.lower()
    problem: dict[str, JsonValue] = {
        "type": f"/api/docs#{code}",
        "title": about.phrase,
        "status": status,
        "code": code,
        **(more or {}),
    }
    if message:
        problem["detail"] = message
    if errors is not None:
        problem["errors"] = {field: [*sentences] for field, sentences in errors.items()}
    answer = make_response(problem, status)
    answer.content_type = "application/problem+json"
    return answer


def _message(code: int, message: str) -> Response:
    """A message for a page that stays as it is."""
    flash(message, "danger" if code >= 500 else "warning")
    answer = make_response(render_template("partials/web/toasts.html", aside=True), code)
    answer.headers["HX-Reswap"] = "none"
    return answer
