"""REST: a whole keyword file in one request."""

import json
from contextlib import closing

from flask import Response, request

from app.business.accounts.models import Role
from app.business.automation.operation_models import Operation, OperationState
from app.business.errors import Busy, Conflict, Invalid, NotFound
from app.business.planner.models import Sector, Site
from app.business.planner.services.import_file import ImportFile
from app.business.planner.services.import_parts import Destination, ImportCounts
from app.business.planner.services.keyword_file import BYTES_LIMIT
from app.infrastructure.database import only_reading
from app.modules.access import owned_or_404
from app.modules.api.bodies import FormUpload
from app.modules.api.resource import WrongContentType, report
from app.modules.gate.numbers import row_id
from app.modules.planner.api import api
from app.modules.planner.importing import Corrections, begin, read_sent
from app.modules.planner.serializers import ImportShown, KeywordFile, RowRefused, SheetShown
from app.modules.quotas import IMPORTS

FIELDS = ("site", "sector", "existing", "sheet", "encoding", "columns", "header_row", "csrf_token")


@api.call(
    "POST",
    "/keywords/import/",
    Role.OPERATOR,
    answers={201: ImportShown},
    errors=(NotFound, Busy),
    quota=IMPORTS,
)
def import_keywords(body: FormUpload[KeywordFile]) -> Response:  # noqa: ARG001 - declares what is sent
    """Import a whole file of keywords: all that can be read is kept, the rest is named row by row."""
    data = _file()
    with only_reading():
        to = _place()
    existing = _existing()
    file = read_sent(data, to, _corrections())
    operation = begin(file, to, existing, here=True)
    if operation.state != OperationState.DONE:
        raise Conflict(_not_done(operation))
    return report(shown(ImportCounts.model_validate(operation.result), file), 201)


def shown(counts: ImportCounts, file: ImportFile) -> ImportShown:
    """What came of the import."""
    errors = [RowRefused(row=error.row, message=error.message) for error in file.errors]
    sheets = [
        SheetShown(
            name=sheet.name,
            rows=sheet.rows,
            hidden=sheet.hidden,
            keyword=sheet.keyword or None,
            chosen=sheet.name == file.sheet,
        )
        for sheet in file.sheets
    ]
    return ImportShown(
        created=counts.created,
        updated=counts.updated,
        duplicates=counts.duplicates,
        rejected=counts.rejected,
        left_out=len(file.left_out),
        unread=file.unread,
        errors=errors,
        columns=file.columns,
        unknown_columns=file.unknown_columns,
        header_row=file.header_row,
        encoding=file.encoding,
        sheets=sheets,
        hidden_rows=file.hidden_rows,
    )


def _not_done(operation: Operation) -> str:
    if operation.state == OperationState.CANCELLED:
        return "The import was cancelled. What it had made and nobody had touched was taken back."
    if operation.state == OperationState.FAILED:
        return operation.error_message
    return f"The import was interrupted and goes on by itself. Look at operation {operation.id}: do not send it again."


def _existing() -> str:
    fields = request.form
    unknown = sorted(({*fields} - {*FIELDS}) | ({*request.files} - {"file"}))
    if unknown:
        known = "This field is unknown. Known here: file, site, sector, existing, sheet, encoding, columns, header_row."
        raise Invalid({name[:64]: [known] for name in unknown})
    existing = fields.get("existing", "update")
    if existing not in ("update", "leave"):
        raise Invalid({"existing": ["Choose one of: update, leave."]})
    return existing


def _corrections() -> Corrections:
    fields = request.form
    return Corrections(_columns(), fields.get("encoding") or None, fields.get("sheet") or None, _header_row())


def _columns() -> dict[str, str]:
    """Raises Invalid for what is no JSON object of texts."""
    sent = request.form.get("columns", "")
    try:
        columns = json.loads(sent) if sent else {}
    except (ValueError, RecursionError):
        columns = None
    if not isinstance(columns, dict) or not all(isinstance(header, str) for header in columns.values()):
        raise Invalid({"columns": ['Send JSON such as {"keyword": "Search phrase", "volume": "Searches"}.']})
    return columns


def _header_row() -> int | None:
    sent = request.form.get("header_row", "")
    if sent and not (sent.isascii() and sent.isdigit() and len(sent) < 8):
        raise Invalid({"header_row": ["Send the number of the row that names the columns; 0 for none."]})
    return int(sent) if sent else None


def _file() -> bytes:
    if request.mimetype != "multipart/form-data":
        raise WrongContentType("Send the file as multipart/form-data, in the field “file”.")
    file = request.files.get("file")
    if file is None:
        raise Invalid({"file": ["Send the file in the field “file”."]})
    with closing(file):
        return file.stream.read(BYTES_LIMIT + 1)


def _place() -> Destination:
    site_id, sector_id = _id("site"), _id("sector")
    if site_id is None:
        if sector_id is not None:
            raise Invalid({"site": ["Send the site that the sector belongs to."]})
        return Destination()
    site = owned_or_404(Site, site_id)
    sector = owned_or_404(Sector, sector_id) if sector_id is not None else None
    if sector and sector.site_id != site.id:
        raise Invalid({"sector": [f"Sector {sector.id} was not found on {site.name}."]})
    return Destination(site, sector)


def _id(name: str) -> int | None:
    text = request.form.get(name, "")
    if not text:
        return None
    found = row_id(text)
    if found is None:
        raise Invalid({name: ["Send its id, a whole number."]})
    return found
