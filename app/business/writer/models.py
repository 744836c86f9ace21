"""The writing half of the pipeline: tasks (the writer's briefs) and content."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import JsonValue
from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.business.archived_rows import index_in_use
from app.business.base import AccountOwned, Base, Id, Text, one_of, owner_key, same_account
from app.business.folded_columns import folded_list, folded_text
from app.business.planner.models import Idea, Record, record_table


class TaskStatus(StrEnum):
    DRAFT = "draft"
    QUEUED = "queued"
    WRITING = "writing"
    DONE = "done"
    FAILED = "failed"


class TaskType(StrEnum):
    WRITE = "write"
    REFRESH = "refresh"
    LINK = "link"
    REPORT = "report"


TASK_TYPES: dict[str, str] = {
    TaskType.WRITE: "Write an article",
    TaskType.REFRESH: "Refresh an article",
    TaskType.LINK: "Set links",
    TaskType.REPORT: "Write a report",
}
"""What pages call each kind of task."""


class ContentStatus(StrEnum):
    """draft is shown as "To check"."""

    DRAFT = "draft"
    REVIEW = "review"
    APPROVED = "approved"
    PUBLISHED = "published"


class Task(Record, Base):
    """A brief for one article: what to write, about which keyword, how long, by when."""

    __tablename__ = "task"
    __table_args__ = record_table(
        TaskStatus,
        "title",
        same_account("idea_id", "idea"),
        one_of("task_type", list(TaskType)),
        CheckConstraint("word_count >= 1", name="word_count_positive"),
        Index(None, "idea_id"),
        index_in_use(None, "account_id", "due_on", "id"),
    )

    idea_id: Mapped[int | None] = mapped_column(Id)
    title: Mapped[str] = mapped_column(Text(255))
    brief: Mapped[str] = mapped_column(Text(), default="")
    task_type: Mapped[str] = mapped_column(Text(16), default=TaskType.WRITE)
    main_keyword: Mapped[str] = mapped_column(Text(255), default="")
    word_count: Mapped[int] = mapped_column(default=1000)
    due_on: Mapped[date | None]
    writing_run_id: Mapped[int | None] = mapped_column(Id)
    """The run that is writing it now; other runs leave it alone."""
    title_folded: Mapped[str] = folded_text("title")
    brief_folded: Mapped[str] = folded_text("brief")
    main_keyword_folded: Mapped[str] = folded_text("main_keyword")
    idea: Mapped[Idea | None] = relationship(primaryjoin="foreign(Task.idea_id) == Idea.id", viewonly=True)


class Content(Record, Base):
    """An article, or a brief for its writer (`outline`), which is made where there is no AI connection.

    score: 0 to 100 from the checks of its text (null: not checked; a brief is not) · checks_failed: names of those that
    failed · checks: what each of them found.
    """

    __tablename__ = "content"
    __table_args__ = record_table(
        ContentStatus, "title", same_account("task_id", "task"), Index(None, "task_id")
    )

    task_id: Mapped[int | None] = mapped_column(Id)
    title: Mapped[str] = mapped_column(Text(255))
    html: Mapped[str] = mapped_column(Text(), default="")
    meta_title: Mapped[str] = mapped_column(Text(255), default="")
    meta_description: Mapped[str] = mapped_column(Text(512), default="")
    main_keyword: Mapped[str] = mapped_column(Text(255), default="")
    word_count: Mapped[int] = mapped_column(default=0)
    score: Mapped[int | None]
    checks_failed: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    checks: Mapped[list[JsonValue]] = mapped_column(default=list, server_default="[]", deferred=True)
    outline: Mapped[bool] = mapped_column(default=False)
    published_url: Mapped[str] = mapped_column(Text(2000), default="")
    published_at: Mapped[datetime | None]
    title_folded: Mapped[str] = folded_text("title")
    html_folded: Mapped[str] = folded_text("html")
    meta_title_folded: Mapped[str] = folded_text("meta_title")
    meta_description_folded: Mapped[str] = folded_text("meta_description")
    main_keyword_folded: Mapped[str] = folded_text("main_keyword")
    published_url_folded: Mapped[str] = folded_text("published_url")
    checks_failed_folded: Mapped[list[str]] = folded_list("checks_failed")
    task: Mapped[Task | None] = relationship(primaryjoin="foreign(Content.task_id) == Task.id", viewonly=True)

    @property
    def kind(self) -> Literal["article", "brief"]:
        """What it is."""
        return "brief" if self.outline else "article"


class ContentVersion(AccountOwned, Base):
    """An article's text after one save. `number`: the version that the save gave the article.

    user_id, run_id: who saved it; both null where the text is older than versions.
    """

    __tablename__ = "content_version"
    __table_args__ = owner_key(
        same_account("content_id", "content"), UniqueConstraint("content_id", "number")
    )

    content_id: Mapped[int] = mapped_column(Id)
    number: Mapped[int]
    title: Mapped[str] = mapped_column(Text(255))
    html: Mapped[str] = mapped_column(Text())
    meta_title: Mapped[str] = mapped_column(Text(255))
    meta_description: Mapped[str] = mapped_column(Text(512))
    word_count: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(Id)
    run_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]
