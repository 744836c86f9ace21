"""The page of the AI service, for owners."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import Invalid
from app.business.outlets.models import AiConnection
from app.business.outlets.services import ai_connections
from app.infrastructure.ai import names_provider
from app.infrastructure.ai.probe import MODE_WORDS, Probe
from app.infrastructure.ai.response_formats import mode_named
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.outlets import connection
from app.modules.outlets.forms import AiConnectionForm
from app.modules.quotas import AI_TESTS, limited
from app.modules.web import see_other


@allow(Role.OWNER)
def show() -> ResponseReturnValue:
    form, row = AiConnectionForm(formdata=None), _row()
    if row:
        form.fill(row)
    return _page(form)


@allow(Role.OWNER, whole_account=True)
def save() -> ResponseReturnValue:
    """Connect the account's own service, or change the connection."""
    form = AiConnectionForm()
    if not form.validate():
        return _page(form), 422
    try:
        connection.save(form.values)
    except Invalid as refusal:
        db.session.rollback()
        for name, sentences in refusal.errors.items():
            form[name].errors = [*form[name].errors, *sentences]
        return _page(form), 422
    db.session.commit()
    flash("Saved. Test the connection before a rule uses it.", "success")
    return see_other(url_for("outlets.ai"))


@allow(Role.OWNER, whole_account=True)
@limited(AI_TESTS)
def test() -> ResponseReturnValue:
    """Test the service with a small request and show the result."""
    row = _row()
    if row is None:
        flash("There is no connection of your own to test. Save one first.", "warning")
        return see_other(url_for("outlets.ai"))
    found = connection.test(row)
    form, tested = AiConnectionForm(formdata=None), _row()
    if tested:
        db.session.refresh(tested)
        form.fill(tested)
    return _page(form, found)


@allow(Role.OWNER, whole_account=True)
def remove() -> ResponseReturnValue:
    """Use the service of the installation again."""
    person, row = current_person(), _row()
    if row:
        ai_connections.remove(db.session(), row, person.actor, datetime.now(UTC))
        db.session.commit()
    flash("Removed, and its key is deleted.", "success")
    return see_other(url_for("outlets.ai"))


def _row() -> AiConnection | None:
    return ai_connections.find(db.session(), current_person().account.id)


def _page(form: AiConnectionForm, tested: Probe | None = None) -> str:
    row, settings = _row(), connection.settings()
    return render_template(
        "pages/outlets/ai.html",
        form=form,
        row=row,
        has_key=bool(row and row.api_key_sealed),
        form_of_answers=MODE_WORDS[mode_named(row.mode)] if row and row.mode else None,
        tested=tested,
        own_model=settings.ai_model if names_provider(settings) else None,
    )
