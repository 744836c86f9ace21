"""The one page that adds or edits a record, site or sector; each kind declares its form and how it is saved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template
from flask.typing import ResponseReturnValue

from app.business.base import RowValues
from app.business.errors import Stale
from app.infrastructure.database import db
from app.modules.access import owned_or_404
from app.modules.record_conflicts import Begun, RecordConflict, begun, merge, prints_of, touches
from app.modules.record_forms import ServiceForm
from app.modules.web import see_other

Steps = Sequence[tuple[str, str | None]]


@dataclass(frozen=True)
class Editing:
    """How one kind of row is edited.

    path: breadcrumb up to its list. name: heading of its page. layout: fields side by side. later: those that a new
    one can do without, folded until somebody wants them.
    page, here: addresses of the row's page and of its edit form.
    save(row, changes, seen, now): raises Invalid, Conflict, Stale.
    scripts: further static files of the page. beside: a partial that shows `facts` of the row beside its form.
    """

    noun: str
    model: type[Any]
    form: Callable[..., ServiceForm]
    layout: Sequence[Sequence[str]]
    path: Callable[[Any], Steps]
    name: Callable[[Any], str]
    page: Callable[[Any], str]
    here: Callable[[Any], str]
    save: Callable[[Any, RowValues, int | None, datetime], object]
    later: Sequence[Sequence[str]] = ()
    scripts: Sequence[str] = ()
    beside: str = ""
    facts: Callable[[Any], object] = lambda _row: None


def edit_page(kind: Editing, id: int) -> ResponseReturnValue:
    """Show the form, or save it unless somebody else saved the row meanwhile."""
    row = owned_or_404(kind.model, id)
    form, start = _form(kind, row), begun()
    if not form.validate_on_submit():
        return _edit_form(kind, row, form, start, 422 if form.errors else 200)
    try:
        if not form.taken(lambda: _save(kind, row, form, start)):
            return _edit_form(kind, row, form, start, 422)
    except Stale as refusal:
        db.session.rollback()
        return _stale(kind, row, form, start, refusal.status)
    db.session.commit()
    flash("Saved.", "success")
    return see_other(kind.page(row))


def form_page(
    kind: Editing, form: ServiceForm, action: str, row: Any = None, **context: Any
) -> ResponseReturnValue:
    """The page around the form: of `row`, or of a new one."""
    page = render_template(
        "pages/records/edit.html",
        kind=kind,
        form=form,
        action=action,
        row=row,
        path=kind.path(row),
        facts=kind.facts(row) if row else None,
        **context,
    )
    return page, context.get("status") or (422 if form.errors else 200)


def _form(kind: Editing, row: Any, **given: Any) -> ServiceForm:
    if hasattr(row, "assignee_id"):
        given["assignee"] = row.assignee_id
    return kind.form(obj=row, **given)


def _save(kind: Editing, row: Any, form: ServiceForm, start: Begun) -> None:
    now, changes = datetime.now(UTC), form.values()
    if start.version is None:
        # A form that names no version changes only the fields it sends.
        changes = {name: value for name, value in changes.items() if form[name].raw_data}
    try:
        kind.save(row, changes, start.seen, now)
    except Stale:
        db.session.refresh(row)
        if start.overwrite is not None or touches(_form(kind, row, formdata=None), start):
            raise
        # What changed meanwhile (a status, a cluster) is not part of this form.
        kind.save(row, changes, row.version, now)


def _stale(kind: Editing, row: Any, form: ServiceForm, start: Begun, status: int) -> ResponseReturnValue:
    meanwhile = merge(form, _form(kind, row, formdata=None), start, row.version)
    if not meanwhile.mine:
        flash("Somebody else saved this meanwhile; nothing of yours was left to save.", "info")
        return see_other(kind.page(row))
    return _edit_form(kind, row, form, start, status, meanwhile)


def _edit_form(
    kind: Editing,
    row: Any,
    form: ServiceForm,
    start: Begun,
    status: int,
    meanwhile: RecordConflict | None = None,
) -> ResponseReturnValue:
    if start.version is None:
        start = Begun(row.version, prints_of(_form(kind, row, formdata=None)), None)
    hidden = {"version": start.version, "read": start.text}
    return form_page(kind, form, kind.here(row), row, hidden=hidden, meanwhile=meanwhile, status=status)
