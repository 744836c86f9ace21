"""Importing a keyword file in the browser: choose it, check what was recognised, confirm.

Between the steps the file is stored under a random name; all corrections are in the address of the preview.
"""

from contextlib import closing
from datetime import UTC, datetime

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services import uploads
from app.business.automation.operation_models import OperationState
from app.business.automation.services.history.first_steps import first_steps
from app.business.automation.services.operations.keyword_import import ROWS_IN_REQUEST
from app.business.errors import Invalid, NotFound, Refusal
from app.business.planner.services.import_file import ImportFile, read_rows, unpack_lines
from app.business.planner.services.import_parts import Destination
from app.business.planner.services.keyword_columns import FIELDS
from app.business.planner.services.keyword_file import BYTES_LIMIT
from app.business.planner.services.keyword_rows import NAMES
from app.business.planner.services.keyword_table import NoKeywordColumn
from app.business.planner.services.keyword_workbook import SheetSeen
from app.business.planner.services.record_lists import count_known
from app.infrastructure.database import db, only_reading
from app.modules.access import allow, current_person
from app.modules.planner.forms import ImportForm, PreviewForm
from app.modules.planner.importing import begin, read_sent
from app.modules.quotas import IMPORTS, limited
from app.modules.record_forms import place_choices
from app.modules.web import page_or_partial, see_other

Errors = dict[str, list[str]]


@allow(Role.OPERATOR)
@limited(IMPORTS, methods=["POST"])
def choose() -> ResponseReturnValue:
    """Choose the file and where its keywords go."""
    with only_reading():
        if not place_choices():
            return render_template("pages/planner/import_file.html", form=None)
        form = ImportForm()
        if request.method != "POST" or not form.validate():
            return render_template("pages/planner/import_file.html", form=form), 422 if form.errors else 200
    data, field = _sent(form)
    if refusal := _cannot_be_read(data):
        form.refuse({field: [refusal.message]})
        with only_reading():
            return render_template("pages/planner/import_file.html", form=form), refusal.status
    packed = uploads.pack(data)
    name = uploads.keep(db.session(), _owner(), packed, datetime.now(UTC))
    db.session.commit()
    return see_other(url_for("planner.preview_import", name=name, place=form.place.data))


def _sent(form: ImportForm) -> tuple[bytes, str]:
    """The file, or the list that was pasted instead of one; and the name of its field."""
    if not form.file.data:
        return (form.pasted.data or "").encode()[: BYTES_LIMIT + 1], "pasted"
    with closing(request.files["file"]) as file:
        return file.stream.read(BYTES_LIMIT + 1), "file"


def _cannot_be_read(data: bytes) -> Refusal | None:
    """Why the next step cannot show this file; problems that can be corrected there are none."""
    try:
        read_sent(data, Destination())
    except NoKeywordColumn:
        return None
    except Invalid as refusal:
        return refusal if "file" in refusal.errors else None
    except Refusal as refusal:
        return refusal
    return None


@allow(Role.OPERATOR)
def preview(name: str) -> ResponseReturnValue:
    """What was recognised, correctable; a POST imports the keywords and shows the result of each row."""
    with only_reading():
        try:
            packed = uploads.fetch(db.session(), _owner(), name, datetime.now(UTC))
        except NotFound:
            return render_template("pages/planner/import_gone.html"), 404
        form = PreviewForm()
        is_placed = form.place.data is not None and not form.place.errors
        to = Destination(*form.place.chosen()) if is_placed else Destination()
    file, errors, headers, sheets = _read(uploads.unpack(packed), form, to, is_placed)
    if request.method == "POST" and file is not None:
        return _take(file, to, name)
    with only_reading():
        return page_or_partial(
            "pages/planner/import_preview.html",
            "partials/planner/import_preview.html",
            form=form,
            table=file,
            errors=errors,
            headers=headers,
            sheets=sheets,
            fields=_shown_fields(form, file),
            names=NAMES,
            known=_known(file, to) if file else None,
        ), 422 if request.method == "POST" else 200


def _take(file: ImportFile, to: Destination, name: str) -> ResponseReturnValue:
    """Import it: a small file during the request, a large one as an operation that the page shows."""
    here = file.to_write <= ROWS_IN_REQUEST
    try:
        uploads.take(db.session(), _owner(), name)
    except NotFound:
        return render_template("pages/planner/import_gone.html"), 404
    existing = "leave" if request.form.get("existing") == "leave" else "update"
    operation = begin(file, to, existing, here=here)
    if operation.state != OperationState.DONE:
        return see_other(url_for("automation.operation", id=operation.id))
    with only_reading():
        return render_template(
            "pages/planner/import_result.html",
            result=operation.result,
            site=to.site,
            has_rule_on=first_steps(db.session(), current_person().scope).rule,
        )


def _read(
    data: bytes, form: PreviewForm, to: Destination, is_placed: bool
) -> tuple[ImportFile | None, Errors, list[str], list[SheetSeen]]:
    """The file, or the errors by field; and the headers and sheets to choose from."""
    try:
        file = read_sent(data, to, form.corrections())
    except NoKeywordColumn as refusal:
        return None, refusal.errors, refusal.headers, refusal.sheets
    except Invalid as refusal:
        return None, refusal.errors, [], []
    except Refusal as refusal:
        return None, {"file": [refusal.message]}, [], []
    if not is_placed:
        return None, {"place": ["Choose where the keywords go."]}, file.headers, file.sheets
    if to.site is None and "site" not in file.columns:
        words = "Choose the column that names the site, or choose one site above."
        return None, {"column-site": [words]}, file.headers, file.sheets
    return file, {}, file.headers, file.sheets


def _shown_fields(form: PreviewForm, table: ImportFile | None) -> list[str]:
    """Columns that can be corrected. Without a table only what is missing or was chosen by hand: a select
    that is sent back overrules recognition, and there is nothing recognised to put into the others yet.
    """
    data = form.place.data or ""
    left_out = ({"site"} if data else set()) | ({"sector"} if data.partition("-")[2] else set())
    asked = set(FIELDS) if table else {"keyword", "site", *form.columns()}
    return [field for field in FIELDS if field in asked - left_out]


def _known(file: ImportFile, to: Destination) -> int | None:
    """The number of the keywords that the chosen site has already; None while the rows name their sites."""
    if to.site is None:
        return None
    return count_known(db.session(), to.site.id, [row.key for row in read_rows(unpack_lines(file.rows))])


def _owner() -> uploads.Uploader:
    person = current_person()
    return uploads.Uploader(person.account.id, person.user.id, "keywords")
