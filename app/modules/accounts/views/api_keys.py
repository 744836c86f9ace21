"""Keys of the REST API, for owners."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import ApiKey, Role
from app.business.accounts.services import api_keys, audit_log
from app.business.errors import Conflict, Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.accounts.key_forms import KeyForm
from app.modules.accounts.site_choices import site_choices
from app.modules.web import see_other


@allow(Role.OWNER)
def show() -> ResponseReturnValue:
    return _page(KeyForm())


@allow(Role.OWNER, whole_account=True)
def add() -> ResponseReturnValue:
    """Create a key; its secret is shown only on this page."""
    form, person, now = KeyForm().offer(site_choices()), current_person(), datetime.now(UTC)
    if not form.validate():
        return _page(form), 422
    try:
        limits = form.limits(person.account.timezone)
        key, secret = api_keys.issue(db.session(), person.user, form.name.data, now, limits)
    except Invalid as refusal:
        form.refuse(refusal.errors)
        return _page(form), 422
    made = api_keys.audited(key)
    audit_log.record(db.session(), person.account.id, person.actor, "api_key.made", key, made, now)
    page = _page(KeyForm(formdata=None), secret)
    db.session.commit()
    return page, 201


@allow(Role.OWNER, whole_account=True)
def edit(id: int) -> ResponseReturnValue:
    key, form = _working_key(id), KeyForm(formdata=None).offer(site_choices())
    form.fill(key, current_person().account.timezone)
    return _edit_page(key, form)


@allow(Role.OWNER, whole_account=True)
def save(id: int) -> ResponseReturnValue:
    """Change the name and limits of a key; its secret stays."""
    key, form, person = _working_key(id), KeyForm().offer(site_choices()), current_person()
    if not form.validate():
        return _edit_page(key, form), 422
    try:
        limits = form.limits(person.account.timezone)
        api_keys.change(db.session(), key, form.name.data, limits, person.actor, datetime.now(UTC))
    except Invalid as refusal:
        form.refuse(refusal.errors)
        return _edit_page(key, form), 422
    db.session.commit()
    flash(f"The key “{key.name}” is saved.", "success")
    return see_other(url_for("accounts.api_keys"))


@allow(Role.OWNER)
def revoke(id: int) -> ResponseReturnValue:
    """Revoke a key for good."""
    key, person, now = owned_or_404(ApiKey, id), current_person(), datetime.now(UTC)
    api_keys.revoke(db.session(), key, person.actor, now)
    db.session.commit()
    flash(f"The key “{key.name}” no longer works.", "success")
    return see_other(url_for("accounts.api_keys"))


def _working_key(id: int) -> ApiKey:
    key = owned_or_404(ApiKey, id)
    if key.revoked_at:
        raise Conflict("This key is revoked. It cannot be changed any more.")
    return key


def _page(form: KeyForm, secret: str | None = None) -> str:
    sites = site_choices()
    return render_template(
        "pages/accounts/api_keys.html",
        form=form.offer(sites),
        keys=api_keys.keys_of(db.session(), current_person().account.id),
        site_names=dict(sites),
        secret=secret,
        now=datetime.now(UTC),
    )


def _edit_page(key: ApiKey, form: KeyForm) -> str:
    return render_template("pages/accounts/api_key.html", form=form, key=key)
