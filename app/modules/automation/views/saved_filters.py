"""Filters of the history that people keep: a name for what stands in the address."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import flash, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.saved_filter_models import SavedFilter
from app.business.accounts.services import saved_filters as service
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.filters import SaveFilterForm
from app.modules.automation.run_listing import kept_filters
from app.modules.automation.views import history
from app.modules.web import see_other


@allow(Role.VIEWER)
def save() -> ResponseReturnValue:
    """Keep the filters of the address under the name sent."""
    form, kept = SaveFilterForm(), kept_filters()
    if not kept:
        form.form_errors.append("Choose what to filter by first.")
    elif form.validate() and _kept(form, kept):
        db.session.commit()
        flash(f"Kept as “{form.name.data}”, under Saved filters.", "success")
        here: dict[str, Any] = dict(kept)
        return see_other(url_for(".history", **here))
    return history.page(saving=form), 422


@allow(Role.VIEWER)
def remove(id: int) -> ResponseReturnValue:
    """Its name leaves the menu; no run changes."""
    row = owned_or_404(SavedFilter, id)
    service.remove_filter(db.session(), current_person().user, row)
    db.session.commit()
    flash(f"“{row.name}” is no longer among the saved filters.", "success")
    return see_other(url_for(".history"))


def _kept(form: SaveFilterForm, kept: dict[str, str]) -> bool:
    try:
        service.save_filter(
            db.session(),
            current_person().user,
            history.PAGE,
            form.name.data or "",
            urlencode(kept),
            is_shared=bool(form.is_shared.data),
            now=datetime.now(UTC),
        )
    except Invalid as refusal:
        db.session.rollback()
        form.name.errors = [refusal.message]
        return False
    return True
