"""REST: the account's audit log; to look at only."""

from datetime import datetime
from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from app.business.accounts.models import AuditEntry
from app.business.accounts.services.audit_list import AuditFilter, audit_entries
from app.business.errors import Busy
from app.business.paging import Page
from app.infrastructure.database import db
from app.modules.access import OWNER_OF_ALL, current_person
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.exports import FILE, FileQuery, entry_file
from app.modules.api.fields import JsonObject, Moment
from app.modules.api.records import ListOf, Readable, RowId, Text, in_zone, show
from app.modules.api.resource import Listed, Query, Window, listed
from app.modules.quotas import EXPORTS

api = ApiBlueprint("accounts_api", __name__, url_prefix="/api/accounts")


class AuditShown(Readable):
    """Who changed what. `user` and `api_key` are null for commands; `data` has what the change was."""

    id: int
    action: str
    subject_type: str
    subject_id: int | None
    data: JsonObject | None
    user: int | None = Field(validation_alias="user_id")
    api_key: int | None = Field(validation_alias="api_key_id")
    created_at: datetime


class AuditQuery(Query):
    """Filters of the audit log: created_after <= created_at < created_before. by_nobody: by commands, or by itself."""

    action: Annotated[list[Text], Field(max_length=20), ListOf] = Field(default_factory=list)
    subject_type: Annotated[list[Text], Field(max_length=20), ListOf] = Field(default_factory=list)
    subject_id: RowId | None = None
    user: RowId | None = None
    api_key: RowId | None = None
    by_nobody: bool = False
    created_after: Moment | None = None
    created_before: Moment | None = None
    ordering: Literal["created_at", "-created_at"] = "-created_at"


class AuditExportQuery(AuditQuery, FileQuery):
    """The filters of the audit log."""


@api.call("GET", "/audit/", OWNER_OF_ALL, answers={200: Listed[AuditShown]})
def list_audit(query: AuditQuery, window: Window) -> Response:
    """The audit log, newest first unless said otherwise."""
    page = _entries(query, window.cursor, window.limit)
    return listed(window, page, lambda entry: show(AuditShown, entry))


@api.call("GET", "/audit/export/", OWNER_OF_ALL, answers=FILE, errors=(Busy,), quota=EXPORTS)
def export_audit(query: AuditExportQuery) -> Response:
    """Entries of the filter in its order, at most 100,000, as a file: CSV, JSON lines or XLSX.

    Texts that begin like a formula get a leading apostrophe in CSV, and are text in XLSX.
    """
    return entry_file("audit", query, AuditShown, lambda cursor, limit: _entries(query, cursor, limit))


def _entries(query: AuditQuery, cursor: str | None, limit: int) -> Page[AuditEntry]:
    asked = AuditFilter(
        actions=query.action,
        subject_types=query.subject_type,
        subject_id=query.subject_id,
        user_id=query.user,
        api_key_id=query.api_key,
        by_nobody=query.by_nobody,
        after=in_zone(query.created_after) if query.created_after else None,
        before=in_zone(query.created_before) if query.created_before else None,
    )
    account_id, oldest = current_person().account.id, query.ordering == "created_at"
    return audit_entries(db.session(), account_id, asked, cursor=cursor, limit=limit, oldest=oldest)
