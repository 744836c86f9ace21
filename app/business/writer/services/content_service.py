"""Articles: written from a task by an AI provider (without one, a brief for a writer): read, generate, save."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.business.errors import Conflict, NotFound
from app.business.events import EventType, Origin
from app.business.language_model import LanguageModel, ModelConnection, Prompt, ProviderFault
from app.business.outlets.services.ai_connections import connection_of, is_connected
from app.business.planner.models import Cluster, Idea, Site
from app.business.planner.services.cluster_keywords import cluster_keywords
from app.business.planner.services.ideas_facts import KEYWORDS_SHOWN
from app.business.planner.services.plain_text import LINE_LIMIT, ProviderText, clean_line
from app.business.planner.services.record_changes import move_status, new_record, report
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus
from app.business.writer.services.article_checks.facts import CheckFacts, Draft
from app.business.writer.services.article_checks.form_checks import META_DESCRIPTION_LIMIT, META_TITLE_LIMIT
from app.business.writer.services.article_checks.score import ArticleVerdict
from app.business.writer.services.article_html import count_words, from_markdown, shorten
from app.business.writer.services.article_parts import KeptPart, NewPart
from app.business.writer.services.article_prompts import Assignment, SiteProfile
from app.business.writer.services.article_scores import check_facts, linkable_pages
from app.business.writer.services.article_steps import (
    Approval,
    Finished,
    PartRequest,
    Rejected,
    kept_data,
    next_step,
)
from app.business.writer.services.brief_facts import BriefFacts, brief_facts
from app.business.writer.services.content_versions import keep_version
from app.business.writer.services.record_kinds import CONTENT, TASK

READY = (TaskStatus.DRAFT, TaskStatus.QUEUED, TaskStatus.FAILED)
WORDS_OF_A_PART = 1_000
"""Words that one call writes at most, generously."""


class BriefDraft(BaseModel):
    """What the offline provider answers; `body` is Markdown."""

    model_config = ConfigDict(extra="ignore")

    title: ProviderText = Field(min_length=3, max_length=LINE_LIMIT)
    body: ProviderText = Field(min_length=20, max_length=500_000)
    meta_title: ProviderText = Field("", max_length=1_000)
    meta_description: ProviderText = Field("", max_length=5_000)


@dataclass(frozen=True)
class ContentRequest:
    """One part of an article, or a brief where nothing is connected.

    call_key: of the part, for the provider · attempt: of the run · refusal: why the month's limit in money does not
    allow the call.
    """

    task_id: int
    assignment: Assignment
    is_connected: bool
    approve_outline: bool = False
    parts: Sequence[KeptPart] = ()
    attempt: int = 1
    call_key: str = ""
    refusal: str | None = None
    facts: CheckFacts = field(default_factory=CheckFacts, repr=False)
    for_brief: BriefFacts = field(default_factory=BriefFacts, repr=False)
    """Not sent to a service, so not part of the text by which a call's cost is estimated."""

    @property
    def connection(self) -> ModelConnection | None:
        return self.assignment.connection

    @property
    def most_written(self) -> int:
        """Tokens of the answer at most, generously."""
        return 500 + 3 * min(self.assignment.word_count, WORDS_OF_A_PART)


@dataclass(frozen=True)
class ContentAnswer:
    """An article to save. `word_count`: words delivered, at most those requested; the price is computed from it."""

    task_id: int
    title: str
    html: str
    meta_title: str
    meta_description: str
    main_keyword: str
    word_count: int
    outline: bool
    score: int | None = None
    checks_failed: list[str] = field(default_factory=list)
    checks: list[JsonValue] = field(default_factory=list)


class ContentGenerationService:
    """Writes articles from tasks."""

    def __init__(self, language_model: LanguageModel) -> None:
        self.language_model = language_model

    def read(
        self,
        session: Session,
        task_id: int,
        *,
        again: bool = False,
        approve_outline: bool = False,
        parts: Sequence[KeptPart] = (),
        origin: Origin,
        now: datetime,
    ) -> ContentRequest:
        """The facts of one task, which is set to writing for this run.

        `again`: also one that is done or has content already, which is kept beside the new. `parts`: what is written
        of it. `approve_outline`: ask a person before the sections are written.
        Raises NotFound, or Conflict when the task is not ready to be written.
        """
        task = session.scalar(select(Task).where(Task.account_id == origin.account_id, Task.id == task_id))
        if task is None:
            raise NotFound(f"Task {task_id} was not found.")
        if not again and session.scalar(select(Content.id).where(Content.task_id == task_id).limit(1)):
            raise Conflict(f"The task “{task.title}” already has content.")
        if not _begin(session, task, {*READY, TaskStatus.DONE} if again else READY, origin, now):
            raise Conflict(
                f"The task “{task.title}” is “{task.status}”; only tasks not begun or failed are written."
            )
        facts = _facts(session, task)
        return replace(facts, approve_outline=approve_outline, parts=parts, attempt=origin.attempt or 1)

    def generate(self, request: ContentRequest, key: str) -> ContentAnswer | NewPart:
        """The next part of the article, or all of it once its parts are there. Raises ProviderFault."""
        if not request.is_connected:
            return self._brief(request, key)
        last = request.parts[-1] if request.parts else None
        if last and last.kind == "rejected" and last.attempt == request.attempt:
            raise ProviderFault("unfit", last.data["message"])
        match next_step(
            request.assignment, request.facts, request.parts, approve_outline=request.approve_outline
        ):
            case Approval(outline):
                return NewPart("question", outline)
            case PartRequest() as call:
                return self._ask(request, call)
            case Rejected(message, void):
                return NewPart("rejected", {"message": message, "void": void})
            case Finished(draft, verdict):
                return _article(request, draft, verdict)

    def _ask(self, request: ContentRequest, call: PartRequest) -> NewPart:
        if request.refusal:
            raise ProviderFault("over_limit", request.refusal)
        completion = self.language_model.write(call.prompt, request.call_key)
        return NewPart(call.kind, kept_data(call, completion.data), completion.use(call.prompt))

    def _brief(self, request: ContentRequest, key: str) -> ContentAnswer:
        facts = asdict(request.assignment) | {"site": request.assignment.site.name}
        del facts["connection"], facts["own_pages"]
        prompt = Prompt("content", facts, BriefDraft, "", background=asdict(request.for_brief))
        draft = BriefDraft.model_validate(self.language_model.write(prompt, key).data)
        html = from_markdown(draft.body)
        title = clean_line(draft.title, "title")
        meta_title = clean_line(draft.meta_title or title, "meta_title", limit=1_000)
        description = clean_line(draft.meta_description, "meta_description", limit=5_000, required=False)
        return ContentAnswer(
            task_id=request.task_id,
            title=title,
            html=html,
            meta_title=shorten(meta_title, META_TITLE_LIMIT),
            meta_description=shorten(description, META_DESCRIPTION_LIMIT),
            main_keyword=request.assignment.main_keyword,
            word_count=count_words(html),
            outline=True,
        )

    def save(self, session: Session, answer: ContentAnswer, *, origin: Origin, now: datetime) -> Content:
        """The article as a draft to check, with its content_generated event; its task is done. Raises NotFound."""
        query = select(Task).where(Task.account_id == origin.account_id, Task.id == answer.task_id)
        task = session.scalar(query)
        if task is None:
            raise NotFound("The task was removed while its article was being written.")
        values = new_record(task, ContentStatus.DRAFT, origin, now, 0) | {"assignee_id": task.assignee_id}
        content = Content(**values | asdict(answer))
        session.add(content)
        session.flush()
        keep_version(session, content, origin, now)
        _end(session, task.id, TaskStatus.DONE, origin, now)
        report(session, EventType.CONTENT_GENERATED, CONTENT, [content], origin, now)
        return content

    def give_up(self, session: Session, task_id: int, *, origin: Origin, now: datetime) -> None:
        """The article could not be written: its task fails and may be retried."""
        _end(session, task_id, TaskStatus.FAILED, origin, now)


def give_up_writing(session: Session, *, origin: Origin, now: datetime) -> None:
    """The run has failed: tasks that it left in writing fail with it."""
    ids = session.scalars(select(Task.id).where(Task.writing_run_id == origin.run_id)).all()
    move_status(session, TASK, ids, {TaskStatus.WRITING}, TaskStatus.FAILED, origin, now, writing_run_id=None)


def _begin(session: Session, task: Task, ready: Collection[str], origin: Origin, now: datetime) -> bool:
    run = origin.run_id
    if move_status(session, TASK, [task.id], ready, TaskStatus.WRITING, origin, now, writing_run_id=run):
        return True
    # After a crash the run finds the task as it left it.
    own = update(Task).where(
        Task.id == task.id, Task.status == TaskStatus.WRITING, Task.writing_run_id == run
    )
    found = session.execute(own.values(updated_at=now).returning(Task.id)).first()
    session.refresh(task)
    return found is not None


def _end(session: Session, task_id: int, status: str, origin: Origin, now: datetime) -> None:
    mine = or_(Task.writing_run_id == origin.run_id, Task.writing_run_id.is_(None))
    ids = session.scalars(select(Task.id).where(Task.id == task_id, mine)).all()
    move_status(session, TASK, ids, {TaskStatus.WRITING}, status, origin, now, writing_run_id=None)


def _facts(session: Session, task: Task) -> ContentRequest:
    site = session.get_one(Site, task.site_id)
    idea = session.get(Idea, task.idea_id) if task.idea_id else None
    cluster = session.get(Cluster, idea.cluster_id) if idea and idea.cluster_id else None
    main_keyword = task.main_keyword or (cluster.main_keyword if cluster else "")
    assignment = Assignment(
        title=task.title,
        brief=task.brief,
        content_type=idea.content_type if idea else "article",
        main_keyword=main_keyword,
        word_count=task.word_count,
        site=SiteProfile(**{each.name: getattr(site, each.name) for each in fields(SiteProfile)}),
        language=site.language,
        keywords=cluster_keywords(session, cluster, KEYWORDS_SHOWN) if cluster else [],
        connection=connection_of(session, task.account_id),
    )
    if not is_connected(session, task.account_id):
        for_brief = brief_facts(session, task, idea, cluster)
        return ContentRequest(task.id, assignment, is_connected=False, for_brief=for_brief)
    own_pages = [{"title": title, "url": url} for title, url in linkable_pages(session, site, task)]
    facts = check_facts(session, site, task, main_keyword=main_keyword)
    return ContentRequest(task.id, replace(assignment, own_pages=own_pages), is_connected=True, facts=facts)


def _article(request: ContentRequest, draft: Draft, verdict: ArticleVerdict) -> ContentAnswer:
    return ContentAnswer(
        task_id=request.task_id,
        title=clean_line(draft.title, "title"),
        html=draft.html,
        meta_title=draft.meta_title,
        meta_description=draft.meta_description,
        main_keyword=request.assignment.main_keyword,
        word_count=count_words(draft.html),
        outline=False,
        score=verdict.score,
        checks_failed=verdict.failed,
        checks=verdict.as_json(),
    )
