"""Tasks and content from idea to publication, by people and by runs."""

from datetime import date, datetime

import pytest
from sqlalchemy.orm import Session

from app.business.errors import Conflict, Invalid
from app.business.planner.models import Sector
from app.business.writer.models import Task
from app.business.writer.services.content_edit import create_content, mark_published, update_content
from app.business.writer.services.content_service import ContentGenerationService
from app.business.writer.services.record_editors import update_record
from app.business.writer.services.task_service import create_task, create_tasks, update_task
from app.infrastructure.ai.offline import OfflineModel
from tests.business.planner.stories import events, person, rule, sector_of_new_account
from tests.factories import make_cluster, make_content, make_idea, make_keyword, make_task

service = ContentGenerationService(OfflineModel())


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


@pytest.fixture
def task(session: Session, sector: Sector) -> Task:
    cluster = make_cluster(session, sector, main_keyword="garden shed")
    for text in ("garden shed", "how to build a garden shed", "is a garden shed worth it"):
        make_keyword(session, sector, text=text, volume=90, status="clustered", cluster_id=cluster.id)
    idea = make_idea(session, sector, cluster_id=cluster.id, content_type="guide")
    values = {"title": "Garden sheds", "idea_id": idea.id, "word_count": 400, "status": "queued"}
    return make_task(session, sector, **values)


def test_tasks_are_made_from_open_ideas_only(session: Session, sector: Sector, now: datetime) -> None:
    cluster = make_cluster(session, sector, status="planned")
    open_idea = make_idea(session, sector, cluster_id=cluster.id, description="Why", main_keyword="shed")
    rejected = make_idea(session, sector, status="rejected")
    options = {"word_count": 800, "due_on": date(2026, 12, 1)}
    [made] = create_tasks(session, [open_idea.id, rejected.id], **options, origin=rule(sector), now=now)
    assert (made.title, made.brief, made.main_keyword) == (open_idea.title, "Why", "shed")
    assert (made.status, made.word_count, made.due_on) == ("queued", 800, date(2026, 12, 1))
    session.refresh(open_idea)
    session.refresh(cluster)
    assert (open_idea.status, cluster.status) == ("used", "done")
    assert events(session)["task_created", "task"] == 1
    assert create_tasks(session, [open_idea.id], origin=rule(sector, 8, "r8-s0-1"), now=now) == []


def test_a_task_by_hand_is_not_ready_until_somebody_says_so(
    session: Session, sector: Sector, now: datetime
) -> None:
    task = create_task(
        session, sector, {"title": "Links", "task_type": "link"}, origin=person(sector), now=now
    )
    assert (task.status, task.word_count) == ("draft", 1000)
    update_task(
        session, task, {"status": "queued", "due_on": date(2026, 12, 1)}, origin=person(sector), now=now
    )
    assert task.status == "queued"
    with pytest.raises(Invalid, match="from 1 to 10,000 words"):
        update_task(session, task, {"word_count": 0}, origin=person(sector), now=now)
    with pytest.raises(Invalid, match="cannot be set to “writing”"):
        update_task(session, task, {"status": "writing"}, origin=person(sector), now=now)


def test_a_task_from_a_used_idea_is_refused(session: Session, sector: Sector, now: datetime) -> None:
    idea = make_idea(session, sector, status="used")
    with pytest.raises(Conflict, match="This idea is “used”"):
        create_task(session, idea, {}, origin=person(sector), now=now)


def test_an_offline_brief_becomes_content_to_check(
    session: Session, sector: Sector, task: Task, now: datetime
) -> None:
    request = service.read(session, task.id, origin=rule(sector), now=now)
    session.refresh(task)
    assert (task.status, task.writing_run_id) == ("writing", 7)
    content = service.save(session, service.generate(request, "k"), origin=rule(sector), now=now)
    session.refresh(task)
    assert (task.status, task.writing_run_id) == ("done", None)
    assert (content.status, content.outline, content.made_key) == ("draft", True, "r7-s0-1-0")
    assert "How to build a garden shed" in content.html
    assert events(session)["content_generated", "content"] == 1


def test_a_task_that_another_run_writes_is_left_alone(
    session: Session, sector: Sector, task: Task, now: datetime
) -> None:
    service.read(session, task.id, origin=rule(sector), now=now)
    with pytest.raises(Conflict, match="is “writing”"):
        service.read(session, task.id, origin=rule(sector, 8), now=now)
    assert service.read(session, task.id, origin=rule(sector), now=now).task_id == task.id


def test_a_task_given_up_is_failed_and_may_be_written_again(
    session: Session, sector: Sector, task: Task, now: datetime
) -> None:
    service.read(session, task.id, origin=rule(sector), now=now)
    service.give_up(session, task.id, origin=rule(sector, 8), now=now)
    session.refresh(task)
    assert task.status == "writing"
    service.give_up(session, task.id, origin=rule(sector), now=now)
    session.refresh(task)
    assert task.status == "failed"
    assert service.read(session, task.id, origin=rule(sector, 8), now=now).assignment.title == "Garden sheds"


def test_a_task_with_content_is_left_out_unless_asked_again(
    session: Session, sector: Sector, task: Task, now: datetime
) -> None:
    make_content(session, sector, task_id=task.id)
    task.status = "done"
    with pytest.raises(Conflict, match="already has content"):
        service.read(session, task.id, origin=rule(sector), now=now)
    assert (
        service.read(session, task.id, again=True, origin=rule(sector), now=now).assignment.word_count == 400
    )
    session.refresh(task)
    assert task.status == "writing"


def test_content_is_approved_sent_back_and_published(session: Session, sector: Sector, now: datetime) -> None:
    by = {"origin": person(sector), "now": now}
    content = create_content(session, sector, {"title": "Sheds", "html": "<p>One two.</p>"}, **by)
    with pytest.raises(Conflict, match="only approved content"):
        mark_published(session, content, "https://example.com/sheds", **by)
    for status in ("review", "draft", "approved"):
        update_content(session, content, {"status": status}, **by)
    mark_published(session, content, "https://example.com/sheds", **by)
    session.refresh(content)
    assert (content.status, content.published_url) == ("published", "https://example.com/sheds")
    with pytest.raises(Conflict, match="is “published”"):
        update_content(session, content, {"status": "draft"}, **by)


def test_briefs_are_never_published(session: Session, sector: Sector, now: datetime) -> None:
    outline = make_content(session, sector, outline=True, status="approved")
    with pytest.raises(Conflict, match="brief is not published"):
        mark_published(
            session, outline, "https://example.com", unapproved=True, origin=person(sector), now=now
        )


def test_edited_articles_are_cleaned_and_counted(session: Session, sector: Sector, now: datetime) -> None:
    content = make_content(session, sector)
    html = '<h2>Sheds</h2><p onclick="x()">Two words<script>alert(1)</script> <a href="javascript:x">here</a></p>'
    update_content(session, content, {"html": html}, origin=person(sector), now=now)
    assert content.html == '<h2>Sheds</h2><p>Two words <a rel="noopener noreferrer">here</a></p>'
    assert content.word_count == 4


def test_any_record_is_edited_through_its_own_service(
    session: Session, sector: Sector, now: datetime
) -> None:
    cluster = make_cluster(session, sector, status="planned")
    idea = make_idea(session, sector, cluster_id=cluster.id)
    task, by = make_task(session, sector), {"origin": rule(sector), "now": now}
    update_record(session, idea, {"status": "rejected", "note": "too thin"}, **by)
    update_record(session, task, {"due_on": date(2026, 12, 1), "labels": ["soon"]}, **by)
    session.refresh(cluster)
    assert (idea.status, idea.note, cluster.status) == ("rejected", "too thin", "done")
    assert (task.due_on, task.labels) == (date(2026, 12, 1), ["soon"])
    with pytest.raises(Invalid, match="cannot be changed"):
        update_record(session, make_keyword(session, sector), {"due_on": date(2026, 12, 1)}, **by)
