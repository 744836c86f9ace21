"""Archiving and restoring records of every kind, and who finds them meanwhile."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, union_all, update
from sqlalchemy.orm import Session, aliased

from app.business.accounts.models import AuditEntry
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import Scope, owned
from app.business.archived_rows import WITH_ARCHIVED
from app.business.automation.services.catalogue.record_models import RECORD_TYPES, known_ids
from app.business.errors import Conflict, NotFound, Stale
from app.business.events import Origin
from app.business.planner.models import Cluster, Idea, Keyword, Record, Sector
from app.business.planner.services.cluster_service import merge_clusters
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.keyword_service import add_keyword
from app.business.planner.services.record_archive import archive, archived_record, restore
from app.business.planner.services.record_lists import cluster_figures, count_known
from app.business.planner.services.record_versions import lock_version
from tests import factories

MAKERS: dict[str, Any] = {name: getattr(factories, f"make_{name}") for name in RECORD_TYPES}
NOBODY = AuditActor()


@pytest.fixture
def sector(session: Session) -> Sector:
    return factories.make_sector(session, factories.make_site(session, factories.make_account(session)))


@pytest.fixture(params=RECORD_TYPES)
def record(request: pytest.FixtureRequest, session: Session, sector: Sector) -> Record:
    made: Record = MAKERS[request.param](session, sector)
    return made


def put_away(session: Session, row: Record, now: datetime) -> None:
    archive(session, row, actor=NOBODY, now=now)


def test_every_form_of_query_leaves_archived_rows_out(
    session: Session, record: Record, now: datetime
) -> None:
    model: Any = type(record)
    other = aliased(model)
    rows = select(model.id).where(model.account_id == record.account_id)
    queries: list[Any] = [
        rows, select(other.id), select(func.count(model.id)), select(func.count()).select_from(model),
        select(rows.subquery().c.id), select(Sector.id).where(select(model.id).exists()),
        select(Sector.id, select(func.count(other.id)).scalar_subquery()),
        select(Sector.id).join(model, model.sector_id == Sector.id),
        select(union_all(rows, rows).subquery().c.id), select(rows.cte().c.id),
    ]  # fmt: skip
    in_use = [session.execute(query).all() for query in queries]
    put_away(session, record, now)
    away = [session.execute(query).all() for query in queries]
    assert [bool(found) and found[0][-1] != 0 for found in away] == [False] * len(queries)
    changed: Any = session.execute(update(model).values(note="x").returning(model.id))
    assert changed.all() == []
    assert session.execute(delete(model).returning(model.id)).all() == []
    assert session.execute(rows, execution_options=WITH_ARCHIVED).all() == in_use[0]
    restore(session, record, actor=NOBODY, now=now)
    assert [session.execute(query).all() for query in queries] == in_use


def test_an_archived_record_is_not_there_until_it_is_restored(
    session: Session, record: Record, now: datetime
) -> None:
    model, scope = type(record), Scope(record.account_id)
    name = record.__class__.__name__.lower()
    version, status = record.version, record.status
    put_away(session, record, now)
    with pytest.raises(NotFound):
        owned(session, model, record.id, scope)
    with pytest.raises(NotFound):
        lock_version(session, record)
    assert known_ids(session, name, [record.id], record.account_id) == set()
    found = archived_record(session, model, record.id, scope)
    restore(session, found, actor=NOBODY, now=now + timedelta(minutes=1))
    assert owned(session, model, record.id, scope) is record
    assert (record.version, record.status, record.archived_at) == (version + 2, status, None)
    with pytest.raises(NotFound):
        archived_record(session, model, record.id, scope)
    said = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert said[-2:] == [f"{name}.archived", f"{name}.restored"]


def test_an_archived_record_of_somebody_else_is_not_found(
    session: Session, record: Record, now: datetime
) -> None:
    put_away(session, record, now)
    stranger = factories.make_account(session)
    for scope in (Scope(stranger.id), Scope(record.account_id, frozenset())):
        with pytest.raises(NotFound):
            archived_record(session, type(record), record.id, scope)


def test_a_decision_about_an_old_version_is_refused(session: Session, record: Record, now: datetime) -> None:
    with pytest.raises(Stale):
        archive(session, record, seen=record.version + 1, actor=NOBODY, now=now)
    put_away(session, record, now)
    with pytest.raises(Stale):
        put_away(session, record, now)
    restore(session, record, seen=record.version, actor=NOBODY, now=now)
    with pytest.raises(Stale):
        restore(session, record, actor=NOBODY, now=now)


def test_an_archived_keyword_keeps_no_place_and_comes_back_to_a_free_one(
    session: Session, sector: Sector, now: datetime
) -> None:
    origin = Origin(sector.account_id)
    old = add_keyword(session, sector, {"text": "running shoes"}, origin=origin, now=now)
    put_away(session, old, now)
    assert count_known(session, sector.site_id, ["running shoes"]) == 0
    new = add_keyword(session, sector, {"text": "running shoes"}, origin=origin, now=now)
    with pytest.raises(Conflict, match=f"“running shoes” \\(number {new.id}\\)"):
        restore(session, old, actor=NOBODY, now=now)
    put_away(session, new, now)
    restore(session, old, actor=NOBODY, now=now)
    assert session.scalars(select(Keyword.id)).all() == [old.id]


def test_titles_may_be_shared_so_that_they_never_stop_a_restore(
    session: Session, sector: Sector, now: datetime
) -> None:
    for make in (factories.make_cluster, factories.make_idea, factories.make_task, factories.make_content):
        old: Any = make(session, sector)
        put_away(session, old, now)
        make(session, sector)
        restore(session, old, actor=NOBODY, now=now)
        assert old.archived_at is None


def test_a_task_that_is_being_written_is_not_archived(
    session: Session, sector: Sector, now: datetime
) -> None:
    task = factories.make_task(session, sector, status="writing")
    with pytest.raises(Conflict, match="working on this just now"):
        put_away(session, task, now)


def test_an_archived_cluster_takes_no_keyword_and_counts_none_that_is_archived(
    session: Session, sector: Sector, now: datetime
) -> None:
    cluster = factories.make_cluster(session, sector)
    held = [
        factories.make_keyword(
            session, sector, text=text, status="clustered", cluster_id=cluster.id, volume=10
        )
        for text in ("red running shoes", "blue running shoes")
    ]
    new = factories.make_keyword(session, sector, text="green running shoes", status="new")
    put_away(session, held[0], now)
    assert cluster_figures(session, [cluster.id])[cluster.id].keyword_count == 1
    asked = {"account_id": sector.account_id, "sector_id": sector.id, "keyword_ids": [new.id]}
    assert list(ClusteringService().read(session, **asked).known) == [cluster.id]
    put_away(session, cluster, now)
    assert not ClusteringService().read(session, **asked).known
    assert session.scalars(select(Keyword.id).order_by(Keyword.id)).all() == [held[1].id, new.id]
    assert session.get_one(Keyword, held[1].id).cluster_id == cluster.id


def test_archived_children_of_a_merged_cluster_come_back_to_the_other(
    session: Session, sector: Sector, now: datetime
) -> None:
    target, other = (factories.make_cluster(session, sector) for _ in range(2))
    keyword = factories.make_keyword(session, sector, status="clustered", cluster_id=other.id)
    idea = factories.make_idea(session, sector, cluster_id=other.id)
    put_away(session, keyword, now)
    put_away(session, idea, now)
    merge_clusters(session, target, [other], origin=Origin(sector.account_id), now=now)
    for row in (keyword, idea):
        session.refresh(row)
        restore(session, row, actor=NOBODY, now=now)
    assert {session.get_one(Keyword, keyword.id).cluster_id, session.get_one(Idea, idea.id).cluster_id} == {
        target.id
    }
    assert session.scalars(select(Cluster.id)).all() == [target.id]
