"""The status moves of tasks and content."""

from app.business.planner.services.record_changes import Kind
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus
from app.business.writer.services.content_webhooks import announce_content

TASK = Kind(
    "task",
    Task,
    by_rules={
        TaskStatus.QUEUED: {TaskStatus.DRAFT, TaskStatus.FAILED},
        TaskStatus.DONE: {TaskStatus.DRAFT, TaskStatus.QUEUED},
    },
    by_people={
        TaskStatus.DRAFT: {TaskStatus.QUEUED, TaskStatus.FAILED},
        TaskStatus.QUEUED: {TaskStatus.DRAFT, TaskStatus.FAILED, TaskStatus.DONE},
        TaskStatus.DONE: {TaskStatus.DRAFT, TaskStatus.QUEUED, TaskStatus.FAILED},
    },
)
CONTENT = Kind(
    "content",
    Content,
    by_rules={
        ContentStatus.REVIEW: {ContentStatus.DRAFT},
        ContentStatus.APPROVED: {ContentStatus.DRAFT, ContentStatus.REVIEW},
    },
    by_people={
        ContentStatus.DRAFT: {ContentStatus.REVIEW, ContentStatus.APPROVED},
        ContentStatus.REVIEW: {ContentStatus.DRAFT, ContentStatus.APPROVED},
        ContentStatus.APPROVED: {ContentStatus.DRAFT, ContentStatus.REVIEW},
    },
    announces=announce_content,
)
