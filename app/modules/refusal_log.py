"""One log line for each request that is refused: why, who asked, from where. Never what was sent."""

import logging
import re
from collections.abc import Mapping, Sequence

from flask import Flask, Response, g, request

from app.business.errors import Forbidden, Invalid, Refusal

log = logging.getLogger(__name__)

REFUSED = {
    400: "not understood",
    401: "not signed in",
    403: "not allowed",
    409: "not possible now",
    412: "changed meanwhile",
    413: "too large",
    415: "not the kind of body taken",
    422: "not valid",
    428: "without the version it was made on",
    429: "too often",
}
UNKNOWN_FIELD = "an unknown field"


def init_refusal_log(app: Flask) -> None:
    """Inspect every answer, so that each refusal is logged once."""
    app.after_request(_write)


def note_refusal(kind: str, reason: str = "") -> None:
    """Record a more exact reason than the status of the answer."""
    g.refusal = (kind, reason)


def note_refused(refusal: Refusal) -> None:
    """Record a refusal's reason: a sentence where it holds our words only, else the names of fields.

    Whoever raised it may have recorded a more exact one.
    """
    if g.get("refusal"):
        return
    if isinstance(refusal, Forbidden):
        note_refusal(REFUSED[403], refusal.message)
    elif isinstance(refusal, Invalid):
        note_refusal(REFUSED.get(refusal.status, "refused"), f"fields: {', '.join(_fields(refusal.errors))}")
    elif refusal.status in REFUSED:
        note_refusal(REFUSED[refusal.status], type(refusal).__name__)


def _fields(errors: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of known fields; an unknown name is text that somebody typed."""
    names = {re.split(r"[.\[]", path)[0]: " ".join(texts) for path, texts in errors.items()}
    known = (
        name if re.fullmatch("[a-z_]{1,40}", name) and "cannot be set" not in said else UNKNOWN_FIELD
        for name, said in names.items()
    )
    return list(dict.fromkeys(known))


def _write(response: Response) -> Response:
    kind, reason = g.pop("refusal", None) or (REFUSED.get(response.status_code, ""), "")
    if kind and response.status_code in REFUSED:
        user_id = g.get("user_id")
        who = f"user {user_id}" if user_id else "nobody signed in"
        log.info(
            "refused, %s: %s %s, %s from %s%s",
            kind,
            request.method,
            place(),
            who,
            request.remote_addr,
            f", {reason}" if reason else "",
        )
    return response


def place() -> str:
    """The address asked for; where a text is part of it, as in sign-in links, only its pattern."""
    rule = request.url_rule
    if rule is None or all(isinstance(value, int) for value in (request.view_args or {}).values()):
        return request.path
    return rule.rule
