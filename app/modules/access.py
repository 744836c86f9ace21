"""Authentication and permissions: a session or an API key, and a permission declared on every view.

Nothing is open by default: a view without `@allow(…)` answers nobody.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, cast

from flask import Flask, current_app, flash, g, redirect, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from werkzeug.exceptions import Unauthorized
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.urls import iri_to_uri

from app.business.accounts.models import Account, AccountStatus, ApiKey, KeyScope, Role, User, UserSession
from app.business.accounts.services import api_keys, second_factor, sign_in
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import Scope, owned, scope_of
from app.business.base import AccountOwned
from app.business.database_faults import is_passing
from app.business.errors import Forbidden, NotFound
from app.business.events import Origin
from app.infrastructure.database import db, hardly_waiting, reading, reading_one_statement, trusted_seconds
from app.modules.callers import bearer
from app.modules.quotas import count_wrong_key
from app.modules.refusal_log import note_refusal
from app.modules.web import asks_by_itself, csrf, htmx
from app.settings import Settings

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MEGABYTE = 2**20
JUST_USED_SECONDS = 1.0
View = TypeVar("View", bound=Callable[..., Any])
Owned = TypeVar("Owned", bound=AccountOwned)


@dataclass(frozen=True)
class Person:
    """The caller: a user of an account, through a browser session or an API key."""

    user: User
    account: Account
    session: UserSession | None = None
    key: ApiKey | None = None

    @property
    def via(self) -> Literal["session", "key"]:
        """The cause of runs that a person starts: manual through a session, api through a key."""
        return "key" if self.key else "session"

    @property
    def role(self) -> Role:
        """The user's role; a key has its creator's."""
        return Role(self.user.role)

    @property
    def actor(self) -> AuditActor:
        """The actor in the audit log."""
        return AuditActor(self.user.id, self.key.id if self.key else None)

    @property
    def origin(self) -> Origin:
        """The origin of records that this person makes and changes."""
        return Origin(self.account.id, user_id=self.user.id)

    @property
    def scope(self) -> Scope:
        """Whose rows are seen: every site of the account, or those to which the person and the key are limited."""
        return scope_of(self.user).within(self.key.site_ids if self.key else None)

    @property
    def sees_all(self) -> bool:
        """Whether the person sees the account as a whole, with its credits and settings."""
        return self.scope.sites is None

    @property
    def may_approve(self) -> bool:
        """Whether the person decides on articles: operators do, and viewers whom an owner lets."""
        return self.user.may_approve or self.can(Role.OPERATOR)

    def can(self, role: Role | str) -> bool:
        return self.role.allows(Role(role))

    def may_open(self, endpoint: str) -> bool:
        """Whether the person's role suffices for this page, and nothing of the whole account is on it that they do not
        see."""
        needed = permission_of(endpoint)
        if needed is None or needed.role is None:
            return needed is not None
        return self.can(needed.role) and (self.sees_all or not needed.whole_account)


@dataclass(frozen=True)
class Permission:
    """What a view declares: the role it needs (None: anyone), whether a GET of it writes, and whether it shows or
    changes the account as a whole, which people limited to sites may not. has_proof: its address itself proves who may
    use it, so that a program may post to it without one of our forms. scope: what a key that is limited to scopes
    needs; None: no such key may use it. without_second_factor: for people who must set theirs up first."""

    role: Role | None
    writes: bool = False
    whole_account: bool = False
    has_proof: bool = False
    scope: KeyScope | None = None
    without_second_factor: bool = False


VIEWER_OF_ALL = Permission(Role.VIEWER, whole_account=True)
OWNER_OF_ALL = Permission(Role.OWNER, whole_account=True)
STARTING_RUNS = Permission(Role.OPERATOR, scope=KeyScope.RUN)
"""Calls that start, retry or end runs."""


class Allow:
    """`@allow(Role.EDITOR)` above a view, or `@allow.anyone`; `writes=True` where even a GET changes rows."""

    def __call__(
        self,
        role: Role,
        *,
        writes: bool = False,
        whole_account: bool = False,
        without_second_factor: bool = False,
    ) -> Callable[[View], View]:
        """Only people with this role or a higher one may use the view; with `whole_account` only if they see all."""
        needed = Permission(role, writes, whole_account, without_second_factor=without_second_factor)
        return lambda view: declare(view, needed)

    def anyone(self, view: View) -> View:
        """Everyone may use the view, signed in or not: sign-in, health, static files."""
        return declare(view, Permission(None))

    def noted_reader(self, view: View) -> View:
        """Everyone who has the address, which nobody can guess; it is noted that they opened it."""
        return declare(view, Permission(None, writes=True))

    def bearer_of_address(self, view: View) -> View:
        """Everyone who has the address, which nobody can guess; also programs, without a token of our forms."""
        return declare(view, Permission(None, has_proof=True))


allow = Allow()


def declare(view: View, permission: Permission) -> View:
    view.permission = permission  # type: ignore[attr-defined]
    return view


def permission_of(endpoint: str) -> Permission | None:
    """The permission of this endpoint's view; None when it declares none."""
    return getattr(current_app.view_functions[endpoint], "permission", None)


def require(permission: Permission) -> None:
    """Raises Forbidden where the caller may not do what the permission is for."""
    _check(current_person(), permission)


def init_access(app: Flask, settings: Settings) -> None:
    """Guard every request; trust as many proxies as the settings name."""
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=count
        )
    # Called below instead: a request with a key needs no token.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    # An import file is at most 5 MB.
    app.config["MAX_CONTENT_LENGTH"] = 6 * MEGABYTE
    app.config["PERMANENT_SESSION_LIFETIME"] = sign_in.LONGEST
    allow.anyone(app.view_functions["static"])
    app.before_request(_guard)
    app.teardown_request(lambda _error: _forget())


def current_person() -> Person:
    """The caller; only in views that need a role."""
    return cast(Person, g.person)


def owned_or_404(model: type[Owned], id: int) -> Owned:
    """The row, if the person may see it; another account's row and no row are the same 404."""
    return owned(db.session(), model, id, current_person().scope)


def seen_of(model: type[AccountOwned], ids: Sequence[int]) -> list[int]:
    """Those of `ids` whose rows the person may see, in their order."""
    seen = set(
        db.session.scalars(select(model.id).where(current_person().scope.sees(model), model.id.in_(ids)))
    )
    return [id for id in ids if id in seen]


def require_seen(model: type[AccountOwned], ids: Sequence[int]) -> None:
    """Raises NotFound where one of these rows is not the person's to see."""
    if len(seen_of(model, ids)) < len(ids):
        raise NotFound()


def is_api() -> bool:
    """Whether the address is one of the REST API; its description is pages for people."""
    return request.path.startswith("/api/") and not request.path.startswith("/api/docs")


def own_path(target: str | None) -> str:
    """`target` when it is an address of this console, else the dashboard's."""
    text = target or ""
    is_own = re.match(r"/(?![/\\]|%2f|%5c)", text, re.IGNORECASE) and "\\" not in text and text.isprintable()
    return iri_to_uri(text) if is_own else "/"


def start_page(user: User) -> str:
    """Where a person begins: operators at their work, all others at the dashboard."""
    return url_for("automation.my_work") if user.role == Role.OPERATOR else "/"


def _guard() -> ResponseReturnValue | None:
    """1. What does the view need? 2. Who asks? 3. Did our own page send it? 4. May they?"""
    g.person = g.user_id = None
    if request.endpoint is None:
        # There is nothing at this address: whoever is signed in is told so within the console.
        if not is_api():
            g.person = _identify(datetime.now(UTC))
        return None
    permission = permission_of(request.endpoint)
    if permission is None:
        raise Forbidden("This address has no permission declared, so nobody may use it.")
    if permission.role:
        g.person = _identify(datetime.now(UTC))
        if g.person is None:
            return _ask_to_sign_in()
    if not permission.has_proof and (g.person is None or g.person.via == "session"):
        csrf.protect()
    if permission.role:
        _check(g.person, permission)
        if _lacks_second_factor(g.person, permission):
            return _lead_to_second_factor()
    reading.set(request.method in SAFE_METHODS and not permission.writes)
    return None


def _identify(now: datetime) -> Person | None:
    with reading_one_statement(db.session()):
        person = _by_key(now) if is_api() and "Authorization" in request.headers else _by_session(now)
    # What follows uses the same connection, which has just answered.
    trusted_seconds.set(JUST_USED_SECONDS)
    if person:
        g.user_id = person.user.id
        secret = bearer(request.headers["Authorization"]) if person.key else cookie["token"]
        current_app.extensions["callers"].note(secret, person.user.id, person.account.id)
        if not asks_by_itself():
            _note_use(person, now)
    return person


def _by_key(now: datetime) -> Person | None:
    secret = bearer(request.headers["Authorization"])
    holder = api_keys.find(db.session(), secret, now) if secret else None
    if holder is None:
        note_refusal("wrong key")
        count_wrong_key()
        return None
    return Person(holder.user, holder.account, key=holder.key)


def _by_session(now: datetime) -> Person | None:
    token = cookie.get("token")
    found = sign_in.find(db.session(), token, now) if token else None
    return Person(found.user, found.account, session=found.session) if found else None


def _note_use(person: Person, now: datetime) -> None:
    """Record that the person is active; while the database cannot be written pages are still read, without this."""
    address = request.remote_addr or ""
    if person.key:
        is_due = api_keys.is_use_due(person.key, address, now)
    else:
        is_due = person.session is not None and sign_in.is_use_due(person.session, address, now)
    if not is_due:
        return
    try:
        # A separate transaction, so that a refusal undoes nothing of what this request has read.
        with hardly_waiting(), Session(db.engine) as session, session.begin():
            if person.key:
                api_keys.keep_used(session, person.key, address, now)
            elif person.session:
                sign_in.keep_alive(session, person.session, address, now)
    except DBAPIError as error:
        if not is_passing(error):
            raise


def _check(person: Person, permission: Permission) -> None:
    if (role := permission.role) and not person.can(role):
        raise Forbidden(
            f"This is open to {role.holders}; your role is {person.role}. An owner of the account can change that."
        )
    if person.key and not person.key.may(permission.scope):
        raise Forbidden(_beyond(person.key, permission.scope))
    if permission.whole_account and not person.sees_all:
        raise Forbidden(
            "This is about the whole account, and you work on some sites only. Ask somebody who sees all."
        )
    if person.account.status != AccountStatus.ACTIVE and request.method not in SAFE_METHODS:
        raise Forbidden("This account is suspended: you can look at everything and change nothing.")


def _lacks_second_factor(person: Person, permission: Permission) -> bool:
    """Whether the account requires what this person has not shown; keys are not asked for it."""
    if not person.account.second_factor_required or person.key or permission.without_second_factor:
        return False
    if person.session and person.session.by_passkey:
        return False
    return second_factor.find(db.session(), person.user) is None


def _lead_to_second_factor() -> ResponseReturnValue:
    if is_api() or request.method not in SAFE_METHODS:
        raise Forbidden(
            "Your account asks for a second factor. Open any page of the console to set it up first."
        )
    address = url_for("accounts.second_factor")
    return ("", 204, {"HX-Redirect": address}) if htmx() else redirect(address)


def _beyond(key: ApiKey, needed: KeyScope | None) -> str:
    has = " and ".join(key.scopes or ())
    if needed is None:
        return f"This is closed to keys that are limited to scopes; this key has {has}."
    return f"This needs a key with the scope {needed}; this key has {has}. Ask an owner of the account."


def _ask_to_sign_in() -> ResponseReturnValue:
    if is_api() or request.method not in SAFE_METHODS:
        raise Unauthorized()
    if cookie.pop("token", None):
        flash("You were signed out meanwhile. Sign in again to go on.", "info")
    address = url_for("accounts.sign_in", next=own_path(request.full_path.rstrip("?")))
    return ("", 204, {"HX-Redirect": url_for("accounts.sign_in")}) if htmx() else redirect(address)


def _forget() -> None:
    reading.set(False)
    trusted_seconds.set(0.0)
