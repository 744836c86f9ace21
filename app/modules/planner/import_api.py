"""REST: a whole keyword file in one request."""

from contextlib import closing
from datetime import UTC, datetime

from flask import Response, jsonify, request

from app.business.accounts.models import Role
from app.business.errors import Invalid
from app.business.planner.models import Sector, Site
from app.business.planner.services.keyword_file import BYTES_LIMIT
from app.business.planner.services.keyword_import import ImportResult
from app.business.planner.services.keyword_import import import_keywords as take_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.resource import WrongContentType, saved
from app.modules.gate.numbers import row_id
from app.modules.quotas import IMPORTS, limited

FIELDS = ("site", "sector", "existing", "csrf_token")


@allow(Role.OPERATOR)
@limited(IMPORTS)
def import_keywords() -> Response:
    """POST keywords/import: multipart `file`, `site`, `sector`?, `existing` (update, leave)?."""
    data = _file()
    place, fields = _place(), request.form
    unknown = sorted(({*fields} - {*FIELDS}) | ({*request.files} - {"file"}))
    if unknown:
        raise Invalid(
            {
                name[:64]: ["This field is unknown. Known here: file, site, sector, existing."]
                for name in unknown
            }
        )
    existing = fields.get("existing", "update")
    if existing not in ("update", "leave"):
        raise Invalid({"existing": ["Choose one of: update, leave."]})
    result = take_keywords(
        db.session(),
        read_keyword_table(data),
        site=place[0],
        sector=place[1],
        origin=current_person().origin,
        now=datetime.now(UTC),
        existing="leave" if existing == "leave" else "update",
    )
    answer = jsonify(shown(result))
    answer.status_code = 201
    return saved(answer)


def shown(result: ImportResult) -> dict[str, object]:
    """The result as JSON values."""
    return {
        "created": result.created,
        "updated": result.updated,
        "duplicates": result.duplicates,
        "rejected": result.rejected,
        "errors": [{"row": error.row, "message": error.message} for error in result.errors],
        "columns": result.columns,
    }


def _file() -> bytes:
    if request.mimetype != "multipart/form-data":
        raise WrongContentType("Send the file as multipart/form-data, in the field “file”.")
    file = request.files.get("file")
    if file is None:
        raise Invalid({"file": ["Send the file in the field “file”."]})
    with closing(file):
        return file.stream.read(BYTES_LIMIT + 1)


def _place() -> tuple[Site | None, Sector | None]:
    site_id, sector_id = _id("site"), _id("sector")
    if site_id is None:
        if sector_id is not None:
            raise Invalid({"site": ["Send the site that the sector belongs to."]})
        return None, None
    site = owned_or_404(Site, site_id)
    sector = owned_or_404(Sector, sector_id) if sector_id is not None else None
    if sector and sector.site_id != site.id:
        raise Invalid({"sector": [f"Sector {sector.id} was not found on {site.name}."]})
    return site, sector


def _id(name: str) -> int | None:
    text = request.form.get(name, "")
    if not text:
        return None
    found = row_id(text)
    if found is None:
        raise Invalid({name: ["Send its id, a whole number."]})
    return found
