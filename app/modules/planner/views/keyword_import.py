"""Importing a keyword file in the browser: choose it, look at what was recognised, confirm.

Between the steps the file waits under a random name; all corrections stand in the address of the preview.
"""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from flask import current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import Invalid, NotFound, Refusal
from app.business.planner.services.keyword_columns import FIELDS, PREAMBLE_LIMIT
from app.business.planner.services.keyword_file import BYTES_LIMIT, read_sheet
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import KeywordTable, read_keyword_table
from app.business.planner.services.record_lists import count_known
from app.infrastructure import uploads
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.planner.forms import ImportForm, PreviewForm
from app.modules.quotas import IMPORTS, limited
from app.modules.record_forms import place_choices
from app.modules.web import page_or_partial, see_other

HEADER_CELLS = 100


@allow(Role.OPERATOR)
@limited(IMPORTS, methods=["POST"])
def choose() -> ResponseReturnValue:
    """Choose the file and where its keywords go."""
    if not place_choices():
        return render_template("pages/planner/import_file.html", form=None)
    form = ImportForm()
    if request.method == "POST" and form.validate():
        with closing(request.files["file"]) as file:
            data = file.stream.read(BYTES_LIMIT + 1)
        try:
            read_sheet(data)
        except Refusal as refusal:
            form.refuse({"file": [refusal.message]})
            return render_template("pages/planner/import_file.html", form=form), refusal.status
        name = uploads.keep(_data_dir(), _owner(), data)
        return see_other(url_for("planner.preview_import", name=name, place=form.place.data))
    return render_template("pages/planner/import_file.html", form=form), 422 if form.errors else 200


@allow(Role.OPERATOR)
def preview(name: str) -> ResponseReturnValue:
    """What was recognised, correctable; a POST takes the keywords in and shows what became of each row."""
    try:
        data = uploads.fetch(_data_dir(), _owner(), name)
    except NotFound:
        return render_template("pages/planner/import_gone.html"), 404
    form = PreviewForm()
    table, errors = _read(data, form)
    if request.method == "POST" and table is not None:
        return _take(table, form, name)
    return page_or_partial(
        "pages/planner/import_preview.html",
        "partials/planner/import_preview.html",
        form=form,
        table=table,
        errors=errors,
        headers=table.headers if table else _likely_headers(data, form),
        fields=_shown_fields(form, table),
        known=_known(table, form) if table else None,
    ), 422 if request.method == "POST" else 200


def _take(table: KeywordTable, form: PreviewForm, name: str) -> ResponseReturnValue:
    site, sector = form.place.chosen()
    result = import_keywords(
        db.session(),
        table,
        site=site,
        sector=sector,
        origin=current_person().origin,
        now=datetime.now(UTC),
        existing="leave" if request.form.get("existing") == "leave" else "update",
    )
    page = render_template("pages/planner/import_result.html", result=result, site=site)
    db.session.commit()
    uploads.drop(_data_dir(), _owner(), name)
    return page


def _read(data: bytes, form: PreviewForm) -> tuple[KeywordTable | None, dict[str, list[str]]]:
    """The table, or why there is none, by field."""
    chosen = form.chosen()
    try:
        table = read_keyword_table(data, columns=form.columns(), encoding=chosen.get("encoding"))
    except Invalid as refusal:
        return None, refusal.errors
    except Refusal as refusal:
        return None, {"file": [refusal.message]}
    if form.place.data is None or form.place.errors:
        return None, {"place": ["Choose where the keywords go."]}
    if not form.place.data and "site" not in table.columns:
        return None, {"column-site": ["Choose the column that names the site, or choose one site above."]}
    return table, {}


def _likely_headers(data: bytes, form: PreviewForm) -> list[str]:
    """Cells to choose the keyword column from when no header line was recognised."""
    try:
        sheet = read_sheet(data, encoding=form.chosen().get("encoding"))
    except Refusal:
        return []
    lines = [line for line in sheet.lines[:PREAMBLE_LIMIT] if line]
    return [cell.strip() for cell in max(lines, key=len, default=[])][:HEADER_CELLS]


def _shown_fields(form: PreviewForm, table: KeywordTable | None) -> list[str]:
    """Columns that can be corrected. Without a table only what is missing or was chosen by hand: a select
    that is sent back overrules recognition, and there is nothing recognised to put into the others yet.
    """
    data = form.place.data or ""
    left_out = ({"site"} if data else set()) | ({"sector"} if data.partition("-")[2] else set())
    asked = set(FIELDS) if table else {"keyword", "site", *form.columns()}
    return [field for field in FIELDS if field in asked - left_out]


def _known(table: KeywordTable, form: PreviewForm) -> int | None:
    """How many of the keywords the chosen site has already; None while the rows name their sites."""
    site, _ = form.place.chosen()
    return count_known(db.session(), site.id, [row.values["keyword"] for row in table.rows]) if site else None


def _data_dir() -> Path:
    return Path(current_app.extensions["settings"].data_dir)


def _owner() -> str:
    person = current_person()
    return f"{person.account.id}.{person.user.id}"
