"""Keys of the REST API, for owners."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import ApiKey, Role
from app.business.accounts.services import api_keys, audit_log
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.accounts.forms import NewKeyForm
from app.modules.web import see_other


@allow(Role.OWNER)
def show() -> ResponseReturnValue:
    return _page(NewKeyForm())


@allow(Role.OWNER, whole_account=True)
def add() -> ResponseReturnValue:
    """Create a key; its secret is shown only on this page."""
    form, person, now = NewKeyForm(), current_person(), datetime.now(UTC)
    if not form.validate():
        return _page(form), 422
    key, secret = api_keys.issue(db.session(), person.user, form.name.data, now)
    audit_log.record(
        db.session(), person.account.id, person.actor, "api_key.made", key, {"name": key.name}, now
    )
    page = _page(NewKeyForm(formdata=None), secret)
    db.session.commit()
    return page, 201


@allow(Role.OWNER)
def revoke(id: int) -> ResponseReturnValue:
    """Revoke a key for good."""
    key, person, now = owned_or_404(ApiKey, id), current_person(), datetime.now(UTC)
    api_keys.revoke(db.session(), key, now)
    audit_log.record(db.session(), person.account.id, person.actor, "api_key.revoked", key, None, now)
    db.session.commit()
    flash(f"The key “{key.name}” no longer works.", "success")
    return see_other(url_for("accounts.api_keys"))


def _page(form: NewKeyForm, secret: str | None = None) -> str:
    keys = api_keys.keys_of(db.session(), current_person().account.id)
    return render_template("pages/accounts/api_keys.html", form=form, keys=keys, secret=secret)
