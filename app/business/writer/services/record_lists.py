"""Reading tasks and content: what they may be filtered and sorted by."""

from app.business.paging import Order
from app.business.planner.services.record_lists import (
    RecordList,
    alphabetical,
    holds,
    newest,
    record_filters,
)
from app.business.writer.models import Content, Task

TASKS: RecordList[Task] = RecordList(
    Task,
    record_filters(Task)
    | {
        "text": holds(Task.title_folded, Task.main_keyword_folded),
        "idea": lambda idea: Task.idea_id == idea,
        "task_type": lambda kind: Task.task_type == kind,
        "due_before": lambda day: Task.due_on <= day,
    },
    newest(Task)
    | {
        "due": Order(Task.due_on.expression, lambda task: task.due_on, descending=False, nulls="highest"),
        "title": alphabetical(Task.title),
    },
    (Task.site, Task.sector, Task.idea),
)
CONTENTS: RecordList[Content] = RecordList(
    Content,
    record_filters(Content)
    | {
        "text": holds(Content.title_folded, Content.main_keyword_folded),
        "task": lambda task: Content.task_id == task,
        "outline": lambda outline: Content.outline.is_(outline),
    },
    newest(Content) | {"title": alphabetical(Content.title)},
    (Content.site, Content.sector, Content.task),
)
