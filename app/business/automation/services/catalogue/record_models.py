"""The table of each record type, and the clause for records in scope."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, inspect, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import LARGEST_ID
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.field_types import Entity, SqlValue
from app.business.planner.models import Cluster, Idea, Keyword, Record, Site, SiteStatus
from app.business.writer.models import Content, Task

MODELS: dict[str, type[Record]] = {
    "keyword": Keyword,
    "cluster": Cluster,
    "idea": Idea,
    "task": Task,
    "content": Content,
}
RECORD_TYPES = tuple(MODELS)
PARENTS: dict[str, dict[str, str]] = {
    "keyword": {"cluster": "cluster_id"},
    "idea": {"cluster": "cluster_id"},
    "task": {"idea": "idea_id"},
    "content": {"task": "task_id"},
}
"""For each record type, the parent types a step may work on instead, and the referencing column."""


def table_of(subject: str | None) -> Entity:
    """The table that conditions on this subject select from: records, finished runs (`run`), or accounts, also for
    messages, which are in no table of their own."""
    return {None: Account, "incoming": Account, "run": ScheduledTask}.get(subject) or MODELS[subject or ""]


def columns_of(record_type: str) -> Mapping[str, SqlValue]:
    """The columns of its table, by name."""
    return dict(inspect(MODELS[record_type]).local_table.c)


def record_type_of(record: Record) -> str:
    return next(name for name, model in MODELS.items() if isinstance(record, model))


def in_scope(
    model: type[Record], account_id: int, site_id: int | None, sector_id: int | None
) -> ColumnElement[bool]:
    """Rows of the account, the site and the sector (None: any), on sites that are not paused."""
    active_sites = select(Site.id).where(Site.account_id == account_id, Site.status == SiteStatus.ACTIVE)
    clauses = [model.account_id == account_id, model.site_id.in_(active_sites)]
    if site_id is not None:
        clauses.append(model.site_id == site_id)
    if sector_id is not None:
        clauses.append(model.sector_id == sector_id)
    return and_(*clauses)


def known_ids(session: Session, record_type: str, ids: list[int], account_id: int) -> set[int]:
    """Those of `ids` that belong to the account."""
    model, possible = MODELS[record_type], [id for id in ids if 0 < id <= LARGEST_ID]
    return set(
        session.scalars(select(model.id).where(model.account_id == account_id, model.id.in_(possible)))
    )
