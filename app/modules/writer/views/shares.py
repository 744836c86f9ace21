"""Share links of an article: making and ending them, and what somebody without a sign-in sees."""

from datetime import UTC, datetime

from flask import Response, current_app, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_limiter.util import get_remote_address
from markupsafe import Markup

from app.business.accounts.models import Role
from app.business.errors import NotFound
from app.business.writer.models import Content, ContentStatus
from app.business.writer.services import content_shares
from app.business.writer.services.article_html import clean_html
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.throttle import limiter
from app.modules.web import see_other
from app.settings import Settings

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; sandbox",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
"""Nothing runs, loads or is kept, no search engine takes it up, and pages it links to do not learn the address."""


@allow(Role.OPERATOR)
def add(id: int) -> ResponseReturnValue:
    """Make a link; it is shown on this page only."""
    content, person, now = owned_or_404(Content, id), current_person(), datetime.now(UTC)
    token = content_shares.make_share(db.session(), content, person.actor, now)
    settings: Settings = current_app.extensions["settings"]
    # From the setting, not from the request: its Host header is set by the client.
    address = settings.site_url + url_for(".shared", token=token)
    until = now + content_shares.VALID_FOR
    page = render_template("pages/writer/share_made.html", content=content, address=address, until=until)
    db.session.commit()
    return page, 201


@allow(Role.OPERATOR)
def end(id: int, share: int) -> ResponseReturnValue:
    """End a link before its time."""
    content, person = owned_or_404(Content, id), current_person()
    content_shares.end_share(db.session(), content, share, person.actor, datetime.now(UTC))
    db.session.commit()
    flash("That link opens nothing any more.", "success")
    return see_other(url_for(".content", id=id))


@allow.noted_reader
@limiter.limit("60 per minute", key_func=get_remote_address)
def show(token: str) -> Response:
    """The article alone; or that the link has ended, or that the article is published."""
    is_read = request.method != "HEAD"  # A program looks whether the link works.
    try:
        opened = content_shares.open_share(db.session(), token, datetime.now(UTC), is_noted=is_read)
    except NotFound:
        return _page("pages/writer/share_ended.html", 404)
    answer = _opened(opened)
    db.session.commit()
    return answer


def _opened(opened: content_shares.OpenedShare) -> Response:
    content = opened.content
    if content is None:
        return _page("pages/writer/share_ended.html", 410)
    if content.status == ContentStatus.PUBLISHED:
        return _page("pages/writer/share_published.html", 200, content=content)
    article = Markup(clean_html(content.html))  # noqa: S704
    return _page("pages/writer/shared.html", 200, content=content, article=article, until=opened.until)


def _page(template: str, status: int, **context: object) -> Response:
    response = make_response(render_template(template, **context), status)
    response.headers.update(HEADERS)
    return response
