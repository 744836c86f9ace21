"""Shared by the pages of all records: a list under its filters, and where a record comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from flask import current_app, request, url_for
from sqlalchemy import select

from app.business.accounts.models import User
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.nouns import plural as counted
from app.business.automation.services.catalogue.record_models import record_type_of
from app.business.automation.services.history.past_events import PastEvent, past_events
from app.business.automation.services.history.record_path import PathStep, record_path
from app.business.automation.services.history.record_trail import RecordOrigin, origin_of
from app.business.base import AccountOwned
from app.business.errors import Invalid
from app.business.language_model import ModelUse
from app.business.planner.models import Record
from app.business.planner.services.record_lists import Chosen, RecordList
from app.infrastructure.database import db
from app.infrastructure.table_files import TYPES
from app.modules.access import current_person
from app.modules.display import credits, plural
from app.modules.forms import FilterForm
from app.modules.gate.numbers import row_id

Row = TypeVar("Row", bound=AccountOwned)
IDS_MOST = 1_000
EVENTS_SHOWN = 12


@dataclass(frozen=True)
class ListView(Generic[Row]):
    """One page of a list, with the addresses around it; files: where the whole list is to be had, by kind of file."""

    rows: Sequence[Row]
    total: int
    shown: str
    next_url: str | None
    first_url: str | None
    clear_url: str | None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_filtered(self) -> bool:
        """Whether an empty list may only be due to the filter."""
        return self.clear_url is not None


@dataclass(frozen=True)
class Trail:
    """Where a record comes from (a run of a rule, or none: a person), its assignee, and the link to why.

    cost: what the work that made it cost, in words · use: what an AI service was asked for it · path: what it comes
    from and what has come of it · events: what happened to it, the newest first.
    """

    assignee: str | None
    path: Sequence[PathStep]
    events: Sequence[PastEvent]
    why_url: str | None = None
    run_id: int | None = None
    rule_name: str = ""
    rule_version: int = 0
    url: str | None = None
    cost: str = ""
    use: ModelUse | None = None

    @property
    def cluster_id(self) -> int | None:
        """The cluster on its path."""
        return next((step.record.id for step in self.path if step.type == "cluster" and step.record), None)


def read_list(
    rows: RecordList[Row], form: FilterForm, noun: str, *, export: str | None = None, **fixed: Any
) -> ListView[Row]:
    """The page of `rows` that the address asks for; `fixed` are filters set by the page itself.

    export: the endpoint of the API that answers with the list as a file.
    """
    session, scope = db.session(), current_person().scope
    sort, chosen = _wanted(form)
    page = rows.page(session, scope, chosen | fixed, sort=sort, cursor=request.args.get("cursor"))
    total = rows.count(session, scope, chosen | fixed)
    return ListView(
        rows=page.rows,
        total=total,
        shown=f"{len(page.rows):,} of {plural(total, noun)}" if total else "",
        next_url=_address(cursor=page.next_cursor) if page.next_cursor else None,
        first_url=_address() if "cursor" in request.args else None,
        clear_url=url_for(str(request.endpoint), **(request.view_args or {})) if chosen else None,
        files=file_addresses(export, chosen | ({"sort": sort} if sort else {})) if export else {},
    )


def file_addresses(endpoint: str, chosen: Chosen) -> dict[str, str]:
    """Kind of file -> the address of the list under exactly these filters."""
    address = url_for(endpoint)
    return {kind: f"{address}?{urlencode({**chosen, 'format': kind}, doseq=True)}" for kind in TYPES}


def chosen_ids(rows: RecordList[Row], form: FilterForm) -> list[int]:
    """The ticked rows, or all that match the filters of the address. Raises Invalid where that is none or too many."""
    if request.form.get("all") != "1":
        return ticked_ids()
    _, chosen = _wanted(form)
    return rows.ids(db.session(), current_person().scope, chosen, IDS_MOST)


def _wanted(form: FilterForm) -> tuple[str | None, dict[str, Any]]:
    """The order and the filters that the address names."""
    chosen = form.chosen()
    sort = chosen.pop("sort", None)
    if "status" in chosen:
        chosen["status"] = [chosen["status"]]
    return sort, chosen


def trail_of(record: Record) -> Trail:
    """The run and rule that made it, and its assignee."""
    user = db.session.get(User, record.assignee_id) if record.assignee_id else None
    assignee = (user.name or user.email) if user else None
    type = record_type_of(record)
    pages = current_app.view_functions
    why = url_for("automation.why", record_type=type, id=record.id) if "automation.why" in pages else None
    path = record_path(db.session(), current_person().scope, record, type)
    events = past_events(db.session(), record, type, EVENTS_SHOWN)
    run = db.session.execute(
        select(ScheduledTask.id, ScheduledTask.rule_name, ScheduledTask.rule_version).where(
            ScheduledTask.account_id == record.account_id, ScheduledTask.id == record.made_by_run_id
        )
    ).first()
    if run is None:
        return Trail(assignee, path, events, why)
    url = url_for("automation.run", id=run.id) if "automation.run" in pages else None
    making = origin_of(db.session(), record, type)
    return Trail(assignee, path, events, why, *run, url, _cost(making, type), making.use if making else None)


def _cost(making: RecordOrigin | None, type: str) -> str:
    """`5 credits for 3 ideas`."""
    if making is None:
        return ""
    cost = credits(making.credits) if making.credits else "free"
    return f"{cost} for {counted(making.together, type)}" if making.together > 1 else cost


def ticked_ids(name: str = "ids") -> list[int]:
    """The ids ticked in a list. Raises Invalid when there are none, too many, or something else."""
    texts = request.form.getlist(name)
    if not texts:
        raise Invalid({name: ["Tick at least one row first."]})
    ids = [row_id(text) for text in texts]
    if len(ids) > IDS_MOST or None in ids:
        raise Invalid({name: [f"Tick at most {IDS_MOST:,} rows of the list."]})
    return list(dict.fromkeys(filter(None, ids)))


def back_to(endpoint: str) -> str:
    """The list with the filters it had when its form was sent."""
    return _with_query(url_for(endpoint))


def _address(**changed: str) -> str:
    # Not url_for(**request.args): it would obey names such as _scheme and _external.
    return _with_query(url_for(str(request.endpoint), **(request.view_args or {})), **changed)


def _with_query(address: str, **changed: str) -> str:
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    query = urlencode([*kept, *changed.items()])
    return f"{address}?{query}" if query else address
