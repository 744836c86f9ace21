"""Edits of any record: each kind through the service that keeps dependent rows consistent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.business.base import Values
from app.business.events import Origin
from app.business.planner.models import Cluster, Idea, Keyword, Record
from app.business.planner.services.cluster_service import update_cluster
from app.business.planner.services.idea_service import update_idea
from app.business.planner.services.keyword_service import update_keyword
from app.business.writer.models import Content, Task
from app.business.writer.services.content_edit import update_content
from app.business.writer.services.task_service import update_task

EDITORS: Mapping[type[Record], Any] = {
    Keyword: update_keyword,
    Cluster: update_cluster,
    Idea: update_idea,
    Task: update_task,
    Content: update_content,
}


def update_record(
    session: Session, record: Record, changes: Values, *, origin: Origin, now: datetime
) -> None:
    """Change the given fields of a record of any kind. Raises Invalid, Conflict."""
    EDITORS[type(record)](session, record, changes, origin=origin, now=now)
