"""The writer's JSON: what may be sent for tasks and content, how they read, what lists are filtered by."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from app.business.outlets.site_publisher import PostStatus
from app.business.writer.models import ContentStatus, TaskStatus, TaskType
from app.modules.api.exports import FileQuery
from app.modules.api.fields import Day, ExactMoment, OneOf
from app.modules.api.records import ListOf, RecordQuery, RecordShown, RecordWritten, RowId
from app.modules.api.resource import Schema

Words = Annotated[int, Field(ge=1, le=10_000)]


class TaskChanges(RecordWritten):
    """Keys left out stay as they are."""

    title: str = ""
    brief: str = ""
    task_type: OneOf[TaskType] = TaskType.WRITE
    main_keyword: str = ""
    word_count: Words = 1000
    due_on: Day | None = None
    status: OneOf[TaskStatus] = TaskStatus.DRAFT


class TaskNew(TaskChanges):
    """A brief of an idea, or of a site and sector; not ready unless its status says queued."""

    idea: RowId | None = None
    site: RowId | None = None
    sector: RowId | None = None


class TaskShown(RecordShown):
    """A task."""

    idea: int | None = Field(validation_alias="idea_id")
    title: str
    brief: str
    task_type: TaskType
    main_keyword: str
    word_count: int
    due_on: date | None


class TaskQuery(RecordQuery):
    """Filters of the list of tasks."""

    status: Annotated[list[TaskStatus], ListOf] = Field(default_factory=list)
    idea: RowId | None = None
    task_type: TaskType | None = None
    due_before: date | None = None
    sort: Literal["newest", "due", "title"] = "newest"
    ordering: Literal["created_at", "-created_at", "due_on", "-due_on", "title", "-title"] | None = None


class TaskExportQuery(TaskQuery, FileQuery):
    """The filters of the list."""


class ContentNew(RecordWritten):
    """An article written by hand, of a task or of a site and sector."""

    task: RowId | None = None
    site: RowId | None = None
    sector: RowId | None = None
    title: str
    html: str = ""
    meta_title: str = ""
    meta_description: str = ""
    main_keyword: str = ""
    outline: bool = False


class ContentChanges(RecordWritten):
    """Keys left out stay as they are; `status` approves, hands on for review or sends back."""

    title: str = ""
    html: str = ""
    meta_title: str = ""
    meta_description: str = ""
    main_keyword: str = ""
    outline: bool = False
    status: OneOf[ContentStatus] = ContentStatus.DRAFT


class PublishAsked(Schema):
    """`status`: absent, that of a published article stays, and any other gets the site's `default_status`.

    `publish_at`: when it becomes public, at most a year ahead · `featured_image`: the address of its image, of at most
    1 MB.
    """

    status: PostStatus | None = None
    publish_at: ExactMoment | None = None
    featured_image: str = ""


class MarkPublished(Schema):
    """Where the article is published."""

    published_url: str = ""


class SendBack(Schema):
    """`note`: what should change."""

    note: str = ""


class ContentShown(RecordShown):
    """A content item; its HTML is sanitised when it is saved. `kind`: `brief` where `outline` is true, which is a plan
    for a writer and never published · `score`: 0 to 100 from the checks of the text, null for a brief ·
    `checks_failed`: names of the checks that failed · `notice`: what else follows from a change.
    """

    task: int | None = Field(validation_alias="task_id")
    title: str
    html: str
    meta_title: str
    meta_description: str
    main_keyword: str
    word_count: int
    score: int | None
    checks_failed: list[str]
    outline: bool
    kind: Literal["article", "brief"]
    published_url: str
    notice: str = ""


class ContentQuery(RecordQuery):
    """Filters of the list of content."""

    status: Annotated[list[ContentStatus], ListOf] = Field(default_factory=list)
    task: RowId | None = None
    outline: bool | None = None
    sort: Literal["newest", "title"] = "newest"
    ordering: Literal["created_at", "-created_at", "title", "-title"] | None = None


class ContentExportQuery(ContentQuery, FileQuery):
    """The filters of the list."""
