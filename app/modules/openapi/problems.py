"""Errors of the API: problem+json (RFC 9457) with a stable code."""

from http import HTTPStatus

from app.modules.api.declaration import Call, code_of, status_of
from app.modules.openapi.schemas import JsonDict

PROBLEM_SCHEMA: JsonDict = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `detail` is a sentence for people, `code` a stable name for programs.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "Where this kind of problem is described."},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string"},
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "errors": {
            "type": "object",
            "description": "Sentences by the path of the field that they are about.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "current": {"type": "object", "description": "With 412: the present version."},
    },
}

PROBLEM_CODES: dict[str, str] = {
    "malformed": "The request cannot be read: `detail` says where.",
    "bad_query": "A parameter of the address is unknown or wrong; `errors` names it.",
    "unauthorized": "There is no valid key and no session.",
    "forbidden": "The role does not reach, or the account is suspended.",
    "not_found": "It is not there, or belongs to another account.",
    "method_not_allowed": "The address takes other methods: see `Allow`.",
    "conflict": "The present state does not allow it.",
    "blocked": "Something in the rule itself prevents it; `errors` names the fields.",
    "not_enough_credits": "The account cannot pay for it.",
    "stale": "Somebody else changed it meanwhile; `current` is the present version.",
    "too_large": "More was sent than is accepted at once.",
    "wrong_content_type": "The body has another content type than the call takes.",
    "invalid": "Fields are unknown, missing or wrong; `errors` names each.",
    "too_many_requests": "Too many requests in a short time: see `Retry-After`.",
    "busy": "Too many requests are at work, or rows of the list are being saved: see `Retry-After`.",
    "service_unavailable": "The database cannot be written or reached: see `Retry-After`.",
    "internal_server_error": "A fault of the console; `detail` has the number under which the log names it.",
}
"""What each code means."""


def problem_answers(call: Call) -> JsonDict:
    """The errors of a call by status, with their possible codes."""
    codes: dict[int, set[str]] = {}
    for error in call.all_errors:
        codes.setdefault(status_of(error), set()).add(code_of(error))
    return {str(status): _answer(status, sorted(codes[status])) for status in sorted(codes)}


def _answer(status: int, codes: list[str]) -> JsonDict:
    named = " or ".join(f"`{code}`" for code in codes)
    answer: JsonDict = {
        "description": f"{HTTPStatus(status).phrase}: {named}.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    return answer
