"""REST: the account's credits and their ledger; to look at only."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from flask import Response
from pydantic import Field

from app.business.billing.models import CreditEntry, EntryKind
from app.business.billing.services import ledger
from app.business.billing.services.credit_service import CreditService
from app.business.errors import Busy
from app.business.paging import Page
from app.infrastructure.database import db
from app.modules.access import VIEWER_OF_ALL, current_person
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.exports import FILE, FileQuery, entry_file
from app.modules.api.models import ApiModel
from app.modules.api.records import Readable, show
from app.modules.api.resource import Listed, Query, Window, answer, listed
from app.modules.quotas import EXPORTS

api = ApiBlueprint("billing_api", __name__, url_prefix="/api/billing")


class CreditsShown(ApiModel):
    """An account's credits: `available` = `balance` - `held`; `plan` is the plan's code."""

    balance: int
    held: int
    available: int
    plan: str | None
    daily_ceiling: int | None


class EntryShown(Readable):
    """A movement of credits. `run`: the run it belongs to."""

    id: int
    kind: EntryKind
    amount: int
    balance_after: int
    run: int | None = Field(validation_alias="run_id")
    reason: str
    created_at: datetime


class LedgerQuery(Query):
    """Filters of the ledger."""

    kind: EntryKind | None = None
    ordering: Literal["created_at", "-created_at"] = "-created_at"


@api.call("GET", "/credits/", VIEWER_OF_ALL, answers={200: CreditsShown}, if_match=True)
def show_credits() -> Response:
    """What there is, what runs have set aside, what is free."""
    balance = CreditService().balance_of(db.session(), current_person().account.id)
    return answer(CreditsShown(**asdict(balance)))


class LedgerExportQuery(LedgerQuery, FileQuery):
    """The filters of the ledger."""


@api.call("GET", "/ledger/", VIEWER_OF_ALL, answers={200: Listed[EntryShown]})
def list_entries(query: LedgerQuery, window: Window) -> Response:
    """Movements of credits, newest first."""
    page = _entries(query, window.cursor, window.limit)
    return listed(window, page, lambda entry: show(EntryShown, entry))


@api.call("GET", "/ledger/export/", VIEWER_OF_ALL, answers=FILE, errors=(Busy,), quota=EXPORTS)
def export_ledger(query: LedgerExportQuery) -> Response:
    """Movements of credits of the filter in its order, at most 100,000, as a file: CSV, JSON lines or XLSX."""
    return entry_file("ledger", query, EntryShown, lambda cursor, limit: _entries(query, cursor, limit))


def _entries(query: LedgerQuery, cursor: str | None, limit: int) -> Page[CreditEntry]:
    oldest = query.ordering == "created_at"
    return ledger.entries(
        db.session(), current_person().account.id, cursor=cursor, limit=limit, kind=query.kind, oldest=oldest
    )
