"""Forms that start or spend something are executed once, however often they are sent.

`@sent_once` stands below `@allow`; the form has `{{ request_key() }}`. Sent again, it redirects where it led first.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import Response, flash, make_response, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from app.business.accounts.services import form_requests
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import current_person, own_path
from app.modules.web import see_other

FIELD = "request_key"
SENT_BEFORE = (
    "This form was sent before, so nothing more was started. To start it once more, open the page again."
)
_BEFORE_KEY = Markup('<input type="hidden" name="{}" value="').format(FIELD)
_AFTER_KEY = Markup('">')
View = Callable[..., ResponseReturnValue]


def request_key() -> Markup:
    """The hidden field of a form that is executed once."""
    return _BEFORE_KEY + form_requests.new_key() + _AFTER_KEY


def sent_once(view: View) -> View:
    """Execute the view once for each key; without a key, for each request."""

    @wraps(view)
    def once(*args: Any, **values: Any) -> ResponseReturnValue:
        key = request.form.get(FIELD, "")
        if not key:
            return view(*args, **values)
        if len(key) > form_requests.KEY_LIMIT:
            raise Invalid({FIELD: ["This page is damaged. Load it again."]})
        person, session = current_person(), db.session()
        if not form_requests.take(session, person.account.id, person.user.id, key, datetime.now(UTC)):
            location = form_requests.answer_of(session, person.account.id, key)
            session.rollback()
            flash(SENT_BEFORE, "info")
            return see_other(location or own_path(urlsplit(request.referrer or "").path))
        answer = None
        try:
            answer = make_response(view(*args, **values))
        finally:
            _keep(person.account.id, key, answer)
        return answer

    once.sent_once = True  # type: ignore[attr-defined]
    return once


def _keep(account_id: int, key: str, answer: Response | None) -> None:
    """Record where the form led; a refused one may be sent again. What the view did not commit stays uncommitted."""
    db.session.rollback()
    location = (answer.headers.get("HX-Redirect") or answer.headers.get("Location")) if answer else None
    if location:
        form_requests.note_answer(db.session(), account_id, key, location)
    else:
        form_requests.release(db.session(), account_id, key)
    db.session.commit()
