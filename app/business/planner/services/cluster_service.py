"""Editing clusters: create, rename, merge, split, move keywords."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.archived_rows import WITH_ARCHIVED
from app.business.base import RowValues, Values
from app.business.errors import Conflict, Invalid
from app.business.events import EventType, Origin
from app.business.planner.models import (
    Cluster,
    ClusterStatus,
    Idea,
    IdeaStatus,
    Keyword,
    KeywordStatus,
    Sector,
)
from app.business.planner.services.plain_text import clean_line, lower_case
from app.business.planner.services.record_changes import CLUSTER, KEYWORD, move_status, new_record, report
from app.business.planner.services.record_edit import Cleaner, edit_record, fill_record, line, text_in
from app.business.updates import changed_rows, table_of

OPEN_IDEAS = (IdeaStatus.NEW, IdeaStatus.ACCEPTED)
_UNDONE = (ClusterStatus.NEW, ClusterStatus.PLANNED)
_PLACEABLE = (KeywordStatus.NEW, KeywordStatus.IGNORED, KeywordStatus.CLUSTERED)


def create_cluster(
    session: Session, sector: Sector, fields: Values, *, origin: Origin, now: datetime
) -> Cluster:
    """A new, empty cluster with its cluster_created event.

    `fields`: name, main_keyword?, main_intent?, labels?, note?, assignee?. Raises Invalid.
    """
    cluster = _new_cluster(session, sector, fields, origin, now)
    report(session, EventType.CLUSTER_CREATED, CLUSTER, [cluster], origin, now)
    return cluster


def _new_cluster(session: Session, sector: Sector, fields: Values, origin: Origin, now: datetime) -> Cluster:
    name = clean_line(text_in(fields, "name"), "name")
    cluster = Cluster(
        **new_record(sector, ClusterStatus.NEW, origin, now),
        name=name,
        main_keyword=lower_case(name, sector.site.language),
    )
    fill_record(session, cluster, {key: fields[key] for key in fields if key != "name"}, EDITABLE)
    return cluster


def update_cluster(
    session: Session,
    cluster: Cluster,
    changes: Values,
    *,
    seen: int | None = None,
    origin: Origin,
    now: datetime,
) -> Cluster:
    """Rename, or change labels, note, assignee, status. Raises Invalid, Conflict, Stale."""
    edit_record(session, CLUSTER, cluster, changes, EDITABLE, seen=seen, origin=origin, now=now)
    return cluster


def move_keywords(
    session: Session, cluster: Cluster, keyword_ids: Sequence[int], *, origin: Origin, now: datetime
) -> list[int]:
    """Put keywords of the cluster's sector into it, out of any other. Raises Invalid for others."""
    ids = _own_keywords(session, keyword_ids, Keyword.sector_id == cluster.sector_id, cluster.account_id)
    return place_keywords(session, cluster, ids, _PLACEABLE, origin=origin, now=now)


def release_keywords(
    session: Session, cluster: Cluster, keyword_ids: Sequence[int], *, origin: Origin, now: datetime
) -> list[int]:
    """Take keywords out of the cluster: new again, but ignored ones stay ignored.

    Returns the ids of those taken out. Raises Invalid for keywords not in it.
    """
    ids = _own_keywords(session, keyword_ids, Keyword.cluster_id == cluster.id, cluster.account_id)
    freed = {KeywordStatus.NEW, KeywordStatus.CLUSTERED}
    out = move_status(session, KEYWORD, ids, freed, KeywordStatus.NEW, origin, now)
    ignored = {KeywordStatus.IGNORED}
    out += move_status(session, KEYWORD, ids, ignored, KeywordStatus.IGNORED, origin, now, cluster_id=None)
    return [key for key in ids if key in out]


def split_cluster(
    session: Session,
    cluster: Cluster,
    name: str,
    keyword_ids: Sequence[int],
    *,
    origin: Origin,
    now: datetime,
) -> Cluster:
    """Make a new cluster of some of the keywords, with its cluster_created event.

    Raises Conflict when none would stay behind.
    """
    name = clean_line(name, "name")
    ids = _own_keywords(session, keyword_ids, Keyword.cluster_id == cluster.id, cluster.account_id)
    held = select(func.count()).where(Keyword.cluster_id == cluster.id)
    if len(ids) >= session.scalars(held).one():
        raise Conflict("At least one keyword must stay. To give the cluster another name, rename it.")
    fields = {"name": name, "main_intent": cluster.main_intent}
    new = _new_cluster(session, _sector(session, cluster), fields, origin, now)
    place_keywords(session, new, ids, _PLACEABLE, origin=origin, now=now)
    # Reported last: the event of a cluster shows the keywords that are in it.
    report(session, EventType.CLUSTER_CREATED, CLUSTER, [new], origin, now)
    return new


def merge_clusters(
    session: Session, target: Cluster, others: Sequence[Cluster], *, origin: Origin, now: datetime
) -> Cluster:
    """Move keywords and ideas of `others` into `target` and remove the others.

    The target's status follows the ideas that came: planned with an open one, done when none is open.
    Raises Invalid when one of them is the target itself or of another sector.
    """
    ids = [cluster.id for cluster in others]
    if not ids or target.id in ids or any(cluster.sector_id != target.sector_id for cluster in others):
        raise Invalid({"clusters": ["Choose other clusters of the same sector to merge into this one."]})
    # From now on nothing may be put into them.
    session.execute(select(Cluster.id).where(Cluster.id.in_(ids)).order_by(Cluster.id).with_for_update())
    came = set(session.scalars(select(Idea.status).where(Idea.cluster_id.in_(ids))))
    for model in (Keyword, Idea):
        moved = {"cluster_id": target.id, "updated_at": now, "version": model.version + 1}
        children = update(model).where(model.cluster_id.in_(ids)).values(moved)
        # Archived ones too: restored, they belong to the target.
        session.execute(children, execution_options=WITH_ARCHIVED)
    for cluster in others:
        session.delete(cluster)
    target.updated_at = now
    session.flush()
    if came & set(OPEN_IDEAS):
        note_open_ideas(session, [target.id], origin=origin, now=now)
    elif came:
        note_closed_ideas(session, [target.id], origin=origin, now=now, came_from=_UNDONE)
    return target


def place_keywords(
    session: Session,
    cluster: Cluster,
    keyword_ids: Sequence[int],
    came_from: Iterable[str],
    *,
    origin: Origin,
    now: datetime,
) -> list[int]:
    """Mark keywords as clustered in `cluster`, if their status is one of `came_from`. Returns their ids."""
    values: RowValues = {"cluster_id": cluster.id, "cluster_tried_at": now}
    return move_status(
        session, KEYWORD, keyword_ids, list(came_from), KeywordStatus.CLUSTERED, origin, now, **values
    )


def note_open_ideas(
    session: Session, cluster_ids: Iterable[int | None], *, origin: Origin, now: datetime
) -> None:
    """An idea of these clusters was made, or is open again: they are planned."""
    ids = _known_ids(cluster_ids)
    unplanned = {ClusterStatus.NEW, ClusterStatus.DONE}
    move_status(session, CLUSTER, ids, unplanned, ClusterStatus.PLANNED, origin, now)


def plan_clusters(session: Session, accounts_by_id: Mapping[int, int], now: datetime) -> int:
    """The same for locked rows of other statuses, by one statement and without the events; returns how many are planned
    by that. accounts_by_id: the account of each."""
    if not accounts_by_id:
        return 0
    row = table_of(Cluster)
    accounts = row.c.account_id.in_(set(accounts_by_id.values()))
    mine = row.c.id.in_(accounts_by_id), row.c.status != ClusterStatus.PLANNED
    planning = update(row).where(accounts, *mine)
    values = {"status": ClusterStatus.PLANNED, "status_since": now, "updated_at": now}
    return changed_rows(session, planning.values(**values, version=row.c.version + 1))


def note_closed_ideas(
    session: Session,
    cluster_ids: Iterable[int | None],
    *,
    origin: Origin,
    now: datetime,
    came_from: Iterable[str] = (ClusterStatus.PLANNED,),
) -> None:
    """An idea of these clusters was rejected or used: those without an open one are done."""
    ids = _known_ids(cluster_ids)
    query = select(Idea.cluster_id).where(Idea.cluster_id.in_(ids), Idea.status.in_(OPEN_IDEAS)).distinct()
    with_open = set(session.scalars(query)) if ids else set()
    closed = [key for key in ids if key not in with_open]
    move_status(session, CLUSTER, closed, list(came_from), ClusterStatus.DONE, origin, now)


def _known_ids(ids: Iterable[int | None]) -> list[int]:
    return sorted({key for key in ids if key is not None})


def _own_keywords(session: Session, ids: Sequence[int], where: Any, account_id: int) -> list[int]:
    query = select(Keyword.id).where(Keyword.account_id == account_id, Keyword.id.in_(ids), where)
    known = set(session.scalars(query))
    strange = [key for key in ids if key not in known]
    if strange or not ids:
        names = ", ".join(str(key) for key in strange[:5])
        message = f"Keyword {names} was not found here." if strange else "Choose at least one keyword."
        raise Invalid({"keywords": [message]})
    return list(dict.fromkeys(ids))


def _sector(session: Session, cluster: Cluster) -> Sector:
    return session.get_one(Sector, cluster.sector_id)


def _intent(value: str | None, _path: str) -> str | None:
    return value or None


EDITABLE: dict[str, Cleaner] = {
    "name": line(required=True),
    "main_keyword": line(required=True),
    "main_intent": _intent,
}
