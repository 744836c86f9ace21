"""Shared by all pages: CSRF, htmx requests, security headers, page or partial, static addresses."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, cast

from flask import (
    Flask,
    Response,
    after_this_request,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from htmx_flask import Htmx
from htmx_flask.requests import HtmxAwareRequest, HtmxHeaders

from app.modules.charts import stacked_bars
from app.modules.display import init_display, viewer_zone
from app.modules.drawings import init_drawings
from app.modules.navigation import address_of, addresses_of, known_url_for, navigation, shortcuts
from app.modules.once import init_once, once
from app.settings import Settings

Context = dict[str, Any]
"""What a template is given. Any: Jinja reads it by name, and each page has keys of its own."""

csrf = CSRFProtect()

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
PASSKEY_FEATURES = ("publickey-credentials-create", "publickey-credentials-get")
CLOSED_FEATURES = ("camera", "geolocation", "microphone", *PASSKEY_FEATURES)


def permissions_policy(*opened: str) -> str:
    """What browsers let a page do: nothing of this, but what is named, for our own origin."""
    return ", ".join(f"{name}=({'self' if name in opened else ''})" for name in CLOSED_FEATURES)


SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: on https the CSRF check compares the Referer with our own host.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": permissions_policy(),
    "Cross-Origin-Opener-Policy": "same-origin",
}
YEAR = 31_536_000
REDRAW_HEADER = "Console-Redraw"
"""Sent by a page that polls: nobody is at work, and no message may be used up."""


class HtmxFour(HtmxHeaders):
    """htmx 4 names elements `tag#id` and says whether it wants a part; htmx-flask 0.1 knows only htmx 2."""

    @property
    def target_id(self) -> str:
        """Id of the element to be replaced; empty without one."""
        return (self.target or "").partition("#")[2]

    @property
    def source_id(self) -> str:
        """Id of the element that sent the request; empty without one."""
        return str(self._headers.get("HX-Source", "")).partition("#")[2]

    @property
    def is_partial(self) -> bool:
        """Whether only a fragment is wanted: not for boosted links, nor to restore a page of the history."""
        wanted = self._headers.get("HX-Request-Type", "partial") == "partial"
        return bool(self) and wanted and not self.boosted and not self.history_restore_request


class ConsoleRequest(HtmxAwareRequest):
    """Flask's request with our `htmx`."""

    htmx: HtmxFour

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.htmx = HtmxFour(self.headers)


def init_web(app: Flask, settings: Settings) -> None:
    """Set up cookies, CSRF, htmx, headers, filters and template globals."""
    app.config.update(
        WTF_CSRF_TIME_LIMIT=None,
        SESSION_COOKIE_NAME="__Host-console" if settings.is_https else "console",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    init_once(app)
    init_drawings(app)
    Htmx(app)
    app.request_class = ConsoleRequest
    csrf.init_app(app)
    init_display(app)
    for function in (
        asset,
        navigation,
        shortcuts,
        address_of,
        addresses_of,
        stacked_bars,
        viewer_zone,
        asks_by_itself,
    ):
        app.add_template_global(function)
    app.add_template_global(known_url_for, "url_for")
    app.after_request(_protect)


def htmx() -> HtmxFour:
    """The present request's htmx headers; false for a plain browser request."""
    return cast(ConsoleRequest, request).htmx


def asks_by_itself() -> bool:
    """Whether an open page polls, and no person asks for something."""
    return REDRAW_HEADER in request.headers


def page_or_partial(page: str, partial: str, **context: Any) -> str:
    """The whole page, or for htmx only the partial that the page includes, with the waiting messages."""
    if not htmx().is_partial:
        return render_template(page, **context)
    return render_template(partial, **context) + render_template("partials/web/toasts.html", aside=True)


def framing(page: str) -> Response:
    """A page that shows an article in a frame: its text alone, in which nothing can run."""
    response = make_response(page)
    response.headers["Content-Security-Policy"] = f"{CONTENT_POLICY}; frame-src 'self'"
    return response


def let_page_use(feature: str) -> None:
    """Open one of the closed features of browsers to the page that is being answered."""

    @after_this_request
    def open_it(response: Response) -> Response:
        response.headers["Permissions-Policy"] = permissions_policy(feature)
        return response


def see_other(address: str) -> ResponseReturnValue:
    """Redirect after a change: the browser loads `address` whole, also when htmx has sent the form."""
    if htmx():
        return Response(status=204, headers={"HX-Redirect": address})
    return redirect(address, 303)


def asset(name: str) -> str:
    """Address of a static file; it changes with the content, so browsers may cache the file for a year.

    Looked at once in a process. Of a file that changes meanwhile the address stays, and then it is not cached.
    """

    def address() -> str:
        path = Path(current_app.static_folder or "") / name
        return url_for("static", filename=name, v=_fingerprint(path, path.stat().st_mtime_ns))

    return once(("asset", request.script_root, name), address)


@cache
def _fingerprint(path: Path, _changed: int) -> str:
    """`_changed` is part of the key only, so that a new file of the same name gets a new address."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def _protect(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={YEAR}")
    if request.endpoint == "static":
        _set_lifetime(response)
    else:
        response.vary.add("HX-Request")
        if g.get("person"):
            response.headers.setdefault("Cache-Control", "no-store")
    return response


def _set_lifetime(response: Response) -> None:
    """A file may be kept for ever at the address of its content; at any other it is asked for again.

    While a new release starts, a page of the one process may have its files from another, which still has the old.
    """
    if response.status_code not in (200, 206, 304):
        return
    path, version = (
        Path(current_app.static_folder or "") / (request.view_args or {})["filename"],
        request.args.get("v"),
    )
    if version and version == _fingerprint(path, path.stat().st_mtime_ns):
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    else:
        response.headers["Cache-Control"] = "no-cache"
