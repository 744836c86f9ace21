"""The columns of the lists of tasks and content."""

from datetime import UTC, datetime

from app.business.writer.models import TASK_TYPES, TaskStatus
from app.modules.list_columns import (
    NOTHING,
    SHARED,
    Column,
    ListColumns,
    Pill,
    Row,
    at,
    figure,
    on_day,
    word,
)


def _overdue(task: Row) -> Pill | None:
    is_late = task.due_on and task.due_on < datetime.now(UTC).date() and task.status != TaskStatus.DONE
    return ("Overdue", "bad") if is_late else None


TASK_COLUMNS = ListColumns(
    "task_columns",
    {
        "kind": Column("Kind", lambda row: TASK_TYPES.get(row.task_type, row.task_type)),
        "words": Column("Words", figure("word_count"), is_figure=True),
        "due": Column("Due", on_day("due_on"), pill=_overdue, sort="due"),
        "main_keyword": Column("Main keyword", word("main_keyword")),
        "idea": Column(
            "Idea",
            lambda row: row.idea.title if row.idea else NOTHING,
            link=("planner.idea", "idea_id"),
        ),
        **SHARED,
    },
    ("kind", "words", "due"),
)
CONTENT_COLUMNS = ListColumns(
    "content_columns",
    {
        "main_keyword": Column("Main keyword", word("main_keyword")),
        "score": Column("Score", figure("score"), is_figure=True),
        "words": Column("Words", figure("word_count"), is_figure=True),
        "task": Column(
            "Task",
            lambda row: row.task.title if row.task else NOTHING,
            link=("writer.task", "task_id"),
        ),
        "published_at": Column("Published", at=at("published_at"), is_figure=True),
        **SHARED,
    },
    ("score", "words", "added"),
)
