"""Every manual change, from every status: the statuses that follow, and exactly their events."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.errors import Conflict, Invalid
from app.business.events import Event, EventBatch, EventType
from app.business.planner.models import (
    Cluster,
    ClusterStatus,
    IdeaStatus,
    KeywordStatus,
    Record,
    Sector,
)
from app.business.planner.services import cluster_service, idea_service, keyword_service
from app.business.planner.services.record_changes import KEYWORD, set_status
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus
from app.business.writer.services import content_edit, task_service
from tests.business.planner.stories import person, rule, sector_of_new_account
from tests.factories import NOW, make_cluster, make_content, make_idea, make_keyword, make_task

Move = tuple[str, int, str, str]
"""Record type, its id, status before and after."""

LATER = NOW + timedelta(hours=1)
OPEN = {IdeaStatus.NEW, IdeaStatus.ACCEPTED}
K, C, T = KeywordStatus, ClusterStatus, TaskStatus


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


@pytest.fixture
def by(sector: Sector) -> dict[str, Any]:
    return {"origin": person(sector), "now": LATER}


def moves(session: Session) -> list[Move]:
    """What the status_changed events say, oldest first."""
    query = select(Event).join(EventBatch, EventBatch.id == Event.batch_id).order_by(Event.id)
    changed = session.scalars(query.where(EventBatch.type == EventType.STATUS_CHANGED))
    return [(e.record_type, e.record_id, e.data["from"], e.data["to"]) for e in changed if e.data]


def follows(session: Session, record: Record, before: str, after: str, others: Sequence[Move] = ()) -> None:
    """The record went from `before` to `after`, with one event if that is a change, and nothing else moved."""
    session.refresh(record)
    assert record.status == after
    assert record.status_since == (LATER if before != after else NOW)
    kind = str(record.__tablename__)
    mine = [(kind, record.id, before, after)] if before != after else []
    assert sorted(moves(session)) == sorted([*mine, *others])


@pytest.mark.parametrize("ideas", [[], ["new"], ["accepted"], ["rejected"], ["used"], ["used", "accepted"]])
@pytest.mark.parametrize("before", list(C))
def test_merged_clusters(
    session: Session, sector: Sector, by: dict[str, Any], before: str, ideas: list[str]
) -> None:
    target, other = make_cluster(session, sector, status=before), make_cluster(session, sector)
    keyword = make_keyword(session, sector, status="clustered", cluster_id=other.id)
    for status in ideas:
        make_idea(session, sector, cluster_id=other.id, status=status)
    cluster_service.merge_clusters(session, target, [other], **by)
    after = before if not ideas else C.PLANNED if OPEN & set(ideas) else C.DONE
    follows(session, target, before, after)
    follows(session, keyword, K.CLUSTERED, K.CLUSTERED, moves(session))
    assert keyword.cluster_id == target.id


def test_a_cluster_with_an_open_idea_stays_planned_when_closed_ones_come(
    session: Session, sector: Sector, by: dict[str, Any]
) -> None:
    target, other = make_cluster(session, sector, status="planned"), make_cluster(session, sector)
    make_idea(session, sector, cluster_id=target.id)
    make_idea(session, sector, cluster_id=other.id, status="used")
    cluster_service.merge_clusters(session, target, [other], **by)
    follows(session, target, C.PLANNED, C.PLANNED)


@pytest.mark.parametrize("before", list(K))
def test_keywords_moved_into_a_cluster(
    session: Session, sector: Sector, by: dict[str, Any], before: str
) -> None:
    from_cluster = make_cluster(session, sector).id if before != K.NEW else None
    keyword = make_keyword(session, sector, status=before, cluster_id=from_cluster)
    target = make_cluster(session, sector)
    cluster_service.move_keywords(session, target, [keyword.id], **by)
    follows(session, keyword, before, K.CLUSTERED)
    assert keyword.cluster_id == target.id


@pytest.mark.parametrize("before", list(K))
def test_keywords_taken_out_of_a_cluster(
    session: Session, sector: Sector, by: dict[str, Any], before: str
) -> None:
    cluster = make_cluster(session, sector)
    keyword = make_keyword(session, sector, status=before, cluster_id=cluster.id)
    assert cluster_service.release_keywords(session, cluster, [keyword.id], **by) == [keyword.id]
    follows(session, keyword, before, K.IGNORED if before == K.IGNORED else K.NEW)
    assert keyword.cluster_id is None


@pytest.mark.parametrize("before", list(K))
def test_keywords_split_off(session: Session, sector: Sector, by: dict[str, Any], before: str) -> None:
    cluster = make_cluster(session, sector, main_intent="commercial")
    make_keyword(session, sector, status="clustered", cluster_id=cluster.id)
    keyword = make_keyword(session, sector, status=before, cluster_id=cluster.id, volume=40)
    new = cluster_service.split_cluster(session, cluster, "Boots", [keyword.id], **by)
    follows(session, keyword, before, K.CLUSTERED)
    assert (keyword.cluster_id, new.status) == (new.id, C.NEW)
    said = session.scalars(select(Event).where(Event.record_type == "cluster")).one().snapshot
    assert said is not None
    assert (said["keyword_count"], said["total_volume"], said["main_intent"]) == (1, 40, "commercial")


@pytest.mark.parametrize("after", [K.NEW, K.IGNORED])
@pytest.mark.parametrize("before", list(K))
@pytest.mark.parametrize("many", [True, False])
def test_keywords_ignored_and_taken_back(
    session: Session, sector: Sector, by: dict[str, Any], before: str, after: str, many: bool
) -> None:
    cluster = make_cluster(session, sector).id if before != K.NEW else None
    keyword = make_keyword(session, sector, status=before, cluster_id=cluster)
    if many:
        set_status(session, KEYWORD, [keyword.id], after, by["origin"], by["now"])
    else:
        keyword_service.update_keyword(session, keyword, {"status": after}, **by)
    follows(session, keyword, before, after)
    assert keyword.cluster_id == (None if after == K.NEW else cluster)


@pytest.mark.parametrize("before", list(C))
def test_an_idea_written_down_for_a_cluster(
    session: Session, sector: Sector, by: dict[str, Any], before: str
) -> None:
    cluster = make_cluster(session, sector, status=before)
    idea = idea_service.create_idea(session, cluster, {"title": "A guide"}, **by)
    assert idea.status == IdeaStatus.NEW
    follows(session, cluster, before, C.PLANNED)


def _cluster_after(before: str, idea: str, beside: list[str]) -> str:
    """Where a cluster goes when one of its ideas has become `idea`."""
    if idea in OPEN:
        return C.PLANNED
    return C.DONE if before == C.PLANNED and not OPEN & set(beside) else before


@pytest.mark.parametrize("beside", [[], ["new"], ["used"]])
@pytest.mark.parametrize("cluster_before", list(C))
@pytest.mark.parametrize("after", [IdeaStatus.NEW, IdeaStatus.ACCEPTED, IdeaStatus.REJECTED])
@pytest.mark.parametrize("before", [IdeaStatus.NEW, IdeaStatus.ACCEPTED, IdeaStatus.REJECTED])
@pytest.mark.parametrize("many", [True, False])
def test_ideas_decided(
    session: Session,
    sector: Sector,
    by: dict[str, Any],
    many: bool,
    before: str,
    after: str,
    cluster_before: str,
    beside: list[str],
) -> None:
    if before == after:
        return
    cluster = make_cluster(session, sector, status=cluster_before)
    idea = make_idea(session, sector, cluster_id=cluster.id, status=before)
    for status in beside:
        make_idea(session, sector, cluster_id=cluster.id, status=status)
    if many:
        assert idea_service.decide_ideas(session, [idea.id], after, **by) == [idea.id]
    else:
        idea_service.update_idea(session, idea, {"status": after}, **by)
    then = _cluster_after(cluster_before, after, beside)
    follows(session, cluster, cluster_before, then, [("idea", idea.id, before, after)])


@pytest.mark.parametrize("beside", [[], ["accepted"]])
@pytest.mark.parametrize("cluster_before", list(C))
@pytest.mark.parametrize("before", list(IdeaStatus))
def test_a_task_written_for_an_idea(
    session: Session, sector: Sector, by: dict[str, Any], before: str, cluster_before: str, beside: list[str]
) -> None:
    cluster = make_cluster(session, sector, status=cluster_before)
    idea = make_idea(session, sector, cluster_id=cluster.id, status=before)
    for status in beside:
        make_idea(session, sector, cluster_id=cluster.id, status=status)
    if before not in OPEN:
        with pytest.raises(Conflict):
            task_service.create_task(session, idea, {"title": "Write"}, **by)
        follows(session, cluster, cluster_before, cluster_before)
        return
    task = task_service.create_task(session, idea, {"title": "Write"}, **by)
    assert (task.status, task.idea_id) == (T.DRAFT, idea.id)
    then = _cluster_after(cluster_before, IdeaStatus.USED, beside)
    follows(session, cluster, cluster_before, then, [("idea", idea.id, before, IdeaStatus.USED)])


@pytest.mark.parametrize("before", list(T))
def test_an_article_written_for_a_task(
    session: Session, sector: Sector, by: dict[str, Any], before: str
) -> None:
    task = make_task(session, sector, status=before)
    content = content_edit.create_content(session, task, {"title": "Sheds"}, **by)
    assert content.status == ContentStatus.DRAFT
    follows(session, task, before, T.WRITING if before == T.WRITING else T.DONE)
    batch = session.scalars(select(EventBatch).where(EventBatch.type == EventType.CONTENT_GENERATED)).one()
    assert batch.closed_at is not None


Edit = Callable[..., Any]
EDITED: list[tuple[type[Record], Edit, Edit, dict[str, set[str]]]] = [
    (
        Cluster,
        make_cluster,
        cluster_service.update_cluster,
        {C.NEW: {C.PLANNED, C.DONE}, C.PLANNED: {C.NEW, C.DONE}, C.DONE: {C.NEW, C.PLANNED}},
    ),
    (
        Task,
        make_task,
        task_service.update_task,
        {
            T.DRAFT: {T.QUEUED, T.DONE},
            T.QUEUED: {T.DRAFT, T.DONE},
            T.WRITING: set(),
            T.DONE: {T.QUEUED},
            T.FAILED: {T.DRAFT, T.QUEUED, T.DONE},
        },
    ),
    (
        Content,
        make_content,
        content_edit.update_content,
        {
            ContentStatus.DRAFT: {ContentStatus.REVIEW, ContentStatus.APPROVED},
            ContentStatus.REVIEW: {ContentStatus.DRAFT, ContentStatus.APPROVED},
            ContentStatus.APPROVED: {ContentStatus.DRAFT, ContentStatus.REVIEW},
            ContentStatus.PUBLISHED: set(),
        },
    ),
]


@pytest.mark.parametrize(("model", "make", "edit", "legal"), EDITED)
def test_a_status_set_by_hand(
    session: Session, sector: Sector, by: dict[str, Any], model: type, make: Edit, edit: Edit, legal: Any
) -> None:
    for before in legal:
        for after in legal:
            record, told = make(session, sector, status=before), moves(session)
            try:
                edit(session, record, {"status": after}, **by)
                assert after in legal[before] | {before}
            except (Conflict, Invalid):
                assert after not in legal[before] | {before}
                after = before
            follows(session, record, before, after, told)


@pytest.mark.parametrize("before", list(ContentStatus))
def test_content_marked_as_published(
    session: Session, sector: Sector, by: dict[str, Any], before: str
) -> None:
    content = make_content(session, sector, status=before)
    if before == ContentStatus.APPROVED:
        content_edit.mark_published(session, content, "https://example.com/a", **by)
        follows(session, content, before, ContentStatus.PUBLISHED)
    else:
        with pytest.raises(Conflict):
            content_edit.mark_published(session, content, "https://example.com/a", **by)
        follows(session, content, before, before)


def test_a_rule_does_not_reopen_a_cluster_that_a_person_closed(
    session: Session, sector: Sector, now: datetime
) -> None:
    cluster = make_cluster(session, sector, status="done")
    first, second = (make_idea(session, sector, cluster_id=cluster.id) for _ in range(2))
    idea_service.decide_ideas(session, [first.id], "accepted", origin=rule(sector), now=LATER)
    task_service.create_tasks(session, [second.id], origin=rule(sector), now=LATER)
    session.refresh(cluster)
    assert cluster.status == "done"
