"""Tasks and articles of a site: pages that a new one may compete with."""

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from app.business.planner.services.page_doubles import SitePage
from app.business.writer.models import Content, Task, TaskType


def written_pages(session: Session, account_id: int, site_id: int) -> list[SitePage]:
    """What is to be written for the site beyond its ideas, and what is written."""
    tasks = _titles(Task, account_id, site_id).where(Task.task_type == TaskType.WRITE)
    contents = _titles(Content, account_id, site_id)
    return [
        *(SitePage("task", *row) for row in session.execute(tasks)),
        *(SitePage("content", *row) for row in session.execute(contents)),
    ]


def _titles(table: type[Task] | type[Content], account_id: int, site_id: int) -> Select[int, str, str]:
    of_site: tuple[ColumnElement[bool], ...] = table.account_id == account_id, table.site_id == site_id
    return select(table.id, table.title, table.main_keyword).where(*of_site).order_by(table.id)
