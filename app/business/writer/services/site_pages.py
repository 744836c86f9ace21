"""Tasks and articles of sites: pages that a new one may compete with."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.business.planner.services.ideas_facts import OtherPages
from app.business.planner.services.page_doubles import SitePage
from app.business.writer.models import Content, Task, TaskType


def _written_pages(
    session: Session, account_ids: Collection[int], site_ids: Collection[int]
) -> Mapping[int, Sequence[SitePage]]:
    """By site of these accounts: what is to be written for it beyond its ideas, and what is written."""
    found: dict[int, list[SitePage]] = defaultdict(list)
    tasks = _titles(Task, account_ids, site_ids).where(Task.task_type == TaskType.WRITE)
    for site_id, key, title, main_keyword in session.execute(tasks):
        found[site_id].append(SitePage("task", key, title, main_keyword))
    for site_id, key, title, main_keyword in session.execute(_titles(Content, account_ids, site_ids)):
        found[site_id].append(SitePage("content", key, title, main_keyword))
    return found


def _titles(
    table: type[Task] | type[Content], account_ids: Collection[int], site_ids: Collection[int]
) -> Select[int, int, str, str]:
    of_sites = table.account_id.in_(account_ids), table.site_id.in_(site_ids)
    titles = select(table.site_id, table.id, table.title, table.main_keyword)
    return titles.where(*of_sites).order_by(table.id)


WRITTEN_PAGES = OtherPages(_written_pages, (Task, Content))
