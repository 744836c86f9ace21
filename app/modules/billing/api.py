"""REST: the account's credits and their ledger; to look at only."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from app.business.accounts.models import Role
from app.business.billing.models import CreditEntry, EntryKind
from app.business.billing.services import ledger
from app.business.billing.services.credit_service import CreditService
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.api.resource import Query, answer, listed, read_query, window


class EntryShown(BaseModel):
    """A movement of credits. `run`: the run it belongs to."""

    model_config = ConfigDict(from_attributes=True)

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


@allow(Role.VIEWER)
def show_credits() -> Response:
    """GET credits: what there is, what runs have set aside, what is free."""
    return answer(asdict(CreditService().balance_of(db.session(), current_person().account.id)))


@allow(Role.VIEWER)
def list_entries() -> Response:
    """GET ledger, newest first."""
    kind, part = read_query(LedgerQuery).get("kind"), window()
    account_id = current_person().account.id
    page = ledger.entries(db.session(), account_id, cursor=part.cursor, limit=part.limit, kind=kind)
    return listed(page, _show)


def _show(entry: CreditEntry) -> dict[str, Any]:
    return EntryShown.model_validate(entry).model_dump(mode="json")
