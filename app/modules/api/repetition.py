"""Requests that act and carry an Idempotency-Key: sent again, they get the first answer and do nothing more."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Response, current_app, g, make_response, request
from flask.typing import ResponseReturnValue

from app.business.accounts.models import ApiRequest
from app.business.accounts.services import api_requests
from app.business.errors import Conflict, Invalid
from app.infrastructure.database import db
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.modules.access import current_person
from app.modules.gate.json_text import Malformed

HEADER = "Idempotency-Key"
OTHER_BODY = "This key came before with another request. Use a new key."
NOT_KNOWN = (
    "A request with this key was begun before, and how it ended is not known. "
    "Look what came of it, then use a new key."
)
KEPT_HEADERS = ("Content-Type", "ETag", "Location")


def sent_key() -> str | None:
    """The request's Idempotency-Key; None without one. Raises Malformed."""
    key = request.headers.get(HEADER)
    if key is not None and (not 0 < len(key) <= api_requests.KEY_LIMIT or not key.isprintable()):
        raise Malformed(f"An Idempotency-Key has 1 to {api_requests.KEY_LIMIT} printable characters.")
    return key


def once(act: Callable[[], ResponseReturnValue]) -> ResponseReturnValue:
    """What `act` answers; where the request came before, its answer then. Raises Invalid, Conflict, Malformed."""
    key = sent_key()
    if key is None:
        return act()
    person, fingerprint = current_person(), _fingerprint()
    before = api_requests.take(
        db.session(), person.account.id, person.user.id, key, fingerprint, datetime.now(UTC)
    )
    if before:
        return _again(before, fingerprint)
    g.unanswered_key = key
    try:
        answer = make_response(act())
    except Exception:
        # What was refused has not acted: its key stays free.
        db.session.rollback()
        raise
    if g.get("unanswered_key"):
        # It committed by itself.
        keep_answer(answer)
        db.session.commit()
    return answer


def keep_answer(answer: Response) -> None:
    """Record the answer for repetitions, in the transaction of what was done."""
    if (key := g.pop("unanswered_key", None)) and answer.status_code < 400:
        headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
        kept = {"status": answer.status_code, "headers": headers, "body": answer.get_data(as_text=True)}
        person = current_person()
        sealed = _box().seal(json.dumps(kept))
        api_requests.note_answer(db.session(), person.account.id, person.user.id, key, sealed)


def _again(before: ApiRequest, fingerprint: str) -> Response:
    if before.fingerprint != fingerprint:
        raise Invalid({HEADER: [OTHER_BODY]})
    if before.sealed is None:
        raise Conflict(NOT_KNOWN)
    try:
        kept = json.loads(_box().open(before.sealed))
    except Unreadable:
        raise Conflict(NOT_KNOWN) from None
    return Response(kept["body"], kept["status"], kept["headers"])


def _fingerprint() -> str:
    """Of method, address and what is sent; an upload counts by its fields, because its boundary differs each time."""
    # Nor does a key that sees some sites only get the answer of one that sees others.
    sites = sorted(current_person().scope.sites or ())
    found = hashlib.sha256(f"{request.method} {request.full_path}\n{sites or ''}".encode())
    if request.mimetype != "multipart/form-data":
        found.update(request.get_data())
        return found.hexdigest()
    # A part may come without a name.
    for name, value in sorted((name or "", value) for name, value in request.form.items(multi=True)):
        found.update(f"{name}={value}\n".encode())
    for name, file in sorted(request.files.items(multi=True), key=lambda item: item[0] or ""):
        found.update(f"{name}\n".encode())
        found.update(file.read())
        file.seek(0)
    return found.hexdigest()


def _box() -> SecretBox:
    return SecretBox.of(current_app.extensions["settings"])
