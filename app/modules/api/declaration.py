"""How an API call is declared: address, method, role, answers and errors in one decorator above its function.

    @api.call("POST", "/rules/<int:id>/execute/", Role.OPERATOR, answers={202: RunShown}, errors=(Conflict,))
    def execute_rule(id: int, body: Omittable[ExecuteRule]) -> Response:

What is sent is read from the signature: `query` (filters of the address), `window` (limit and cursor of a list),
`body` (a `Schema`, or one of the forms in `bodies`). The docstring describes the call. Everything that a document of
the API says can be taken from `declared_calls`.

No library for this: flask-openapi3 and spectree read a body with `get_json(silent=True) or {}` and ignore unknown
names of a query, APIFlask and flask-smorest answer with error bodies of their own. All of them would take what our
gate refuses (repeated keys, depth, unpaired surrogates, another content type), or say it in other words.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from http import HTTPStatus
from typing import Any, Literal, ParamSpec, get_type_hints

from flask import Blueprint, Flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, ServiceUnavailable, TooManyRequests, Unauthorized

from app.business.accounts.models import KeyScope, Role
from app.business.errors import Busy, Conflict, Forbidden, Invalid, NotFound, Refusal, Stale, TooLarge
from app.modules.access import SAFE_METHODS, Permission, declare
from app.modules.api.bodies import Body, body_of
from app.modules.api.repetition import once
from app.modules.api.resource import BadQuery, Query, Window, WrongContentType, read_query, read_window
from app.modules.gate.json_text import Malformed
from app.modules.quotas import Quota, limited

View = Callable[..., ResponseReturnValue]
Parameters = ParamSpec("Parameters")
Error = type[Refusal] | type[HTTPException]

Repeated = Literal["same answer", "same row", "asks again"]
"""The first answer · the present state of what the first one made, where the service itself keeps keys · the call
changes nothing, so it needs no key."""

ALWAYS: tuple[Error, ...] = (Malformed, Unauthorized, Forbidden, TooManyRequests, ServiceUnavailable)
"""Of every call: a broken If-Match, no key, a role that does not reach, a quota, a database that is away."""
WITH_BODY: tuple[Error, ...] = (TooLarge, WrongContentType, Invalid)


@dataclass(frozen=True)
class Media:
    """An answer that is not JSON; `others`: types that it has where the query asks for them."""

    type: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """One call as it is declared.

    answers: the type of each status of success; None has no body.
    errors: refusals of its own; `all_errors` adds those that follow from what it reads.
    if_match: whether If-Match is compared with the row it acts on. quota: what it counts against beside requests.
    repeated: what an Idempotency-Key makes of a repeated POST. waits: it may answer late, as asked.
    """

    method: str
    path: str
    permission: Permission
    answers: Mapping[int, Any]
    errors: tuple[Error, ...] = ()
    if_match: bool = False
    quota: Quota | None = None
    repeated: Repeated = "same answer"
    waits: bool = False
    name: str = ""
    description: str = ""
    query: type[Query] | None = None
    is_list: bool = False
    body: Body | None = None

    @property
    def all_errors(self) -> frozenset[Error]:
        """Every refusal that the call can answer with."""
        found = {*ALWAYS, *self.errors}
        if self.query or self.is_list:
            # A cursor that is damaged is the list's own refusal, and that others write while it is walked by id.
            found |= {BadQuery, Invalid, Busy} if self.is_list else {BadQuery}
        if "<" in self.path:
            found.add(NotFound)
        if self.if_match:
            found.add(Stale)
        if self.body:
            found |= {*WITH_BODY}
        if self.method not in SAFE_METHODS:
            # Two requests at the same moment.
            found.add(Conflict)
        return frozenset(found)

    @property
    def item_fields(self) -> tuple[str, ...]:
        """The keys of each result of a list."""
        (item,) = self.answers[200].__pydantic_generic_metadata__["args"]
        return tuple(field.alias or name for name, field in item.model_fields.items())

    @property
    def is_idempotent(self) -> bool:
        """Whether an Idempotency-Key keeps it from acting twice."""
        return self.method == "POST" and self.repeated != "asks again"

    @property
    def error_statuses(self) -> frozenset[int]:
        """Their HTTP statuses."""
        return frozenset(status_of(error) for error in self.all_errors)


class ApiBlueprint(Blueprint):
    """The calls of one module; addresses are taken with and without their last slash."""

    def call(
        self,
        method: str,
        path: str,
        role: Role | Permission,
        *,
        answers: Mapping[int, Any],
        errors: tuple[Error, ...] = (),
        if_match: bool = False,
        quota: Quota | None = None,
        repeated: Repeated = "same answer",
        waits: bool = False,
    ) -> Callable[[Callable[Parameters, ResponseReturnValue]], Callable[Parameters, ResponseReturnValue]]:
        """Declare the function below as this call. Raises TypeError for a signature that cannot be read.

        A permission without a scope gets the one that follows from method and role.
        """
        whole = f"{self.url_prefix or ''}{path}"
        needed = role if isinstance(role, Permission) else Permission(role)
        needed = replace(needed, scope=needed.scope or _scope_of(method, needed, repeated))
        said = Call(method, whole, needed, answers, errors, if_match, quota, repeated, waits)

        def declared(
            view: Callable[Parameters, ResponseReturnValue],
        ) -> Callable[Parameters, ResponseReturnValue]:
            call = _completed(said, view)
            self.add_url_rule(path, view.__name__, _view(call, view), methods=[method], strict_slashes=False)
            return view

        return declared


def status_of(error: Error) -> int:
    """The HTTP status of a refusal."""
    status = error.status if issubclass(error, Refusal) else error.code
    assert status is not None
    return status


def code_of(error: Error) -> str:
    """The name of a refusal for programs."""
    return error.code if issubclass(error, Refusal) else HTTPStatus(status_of(error)).name.lower()


def declared_calls(app: Flask) -> dict[str, Call]:
    """Every call of the API by its endpoint."""
    return {name: view.call for name, view in app.view_functions.items() if hasattr(view, "call")}


def _scope_of(method: str, permission: Permission, repeated: Repeated) -> KeyScope | None:
    if permission.role is None:
        return None
    if permission.role == Role.OWNER:
        return KeyScope.ADMIN
    reads = method in SAFE_METHODS or repeated == "asks again"
    return KeyScope.READ if reads else KeyScope.WRITE


def _completed(said: Call, view: View) -> Call:
    """With what the function's signature and docstring say."""
    hints = get_type_hints(view, include_extras=True)
    unknown = {*inspect.signature(view).parameters} - {"query", "window", "body"}
    unknown -= {name for name in unknown if f":{name}>" in said.path}
    if unknown:
        raise TypeError(f"{view.__qualname__}: nothing gives {', '.join(sorted(unknown))}")
    return replace(
        said,
        name=view.__name__,
        description=inspect.getdoc(view) or "",
        query=hints.get("query"),
        is_list=hints.get("window") is Window,
        body=body_of(hints["body"]) if "body" in hints else body_of(None) if said.method == "POST" else None,
    )


def _view(call: Call, view: View) -> View:
    """What Flask calls: reads what is sent, in the order query, window, body, then asks the function."""

    @wraps(view)
    def answered(**given: Any) -> ResponseReturnValue:
        if call.query:
            given["query"] = read_query(call.query, is_list=call.is_list)
        elif call.is_list:
            read_query(Query, is_list=True)
        if call.is_list:
            given["window"] = read_window(call.item_fields)
        if call.body:
            given |= call.body.read()
        if call.is_idempotent and call.repeated == "same answer":
            return once(lambda: view(**given))
        return view(**given)

    answered.call = call  # type: ignore[attr-defined]
    declare(answered, call.permission)
    return limited(call.quota)(answered) if call.quota else answered
