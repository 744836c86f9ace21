"""The checks of an article with the facts of its task and site: what is kept with it as its score."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import RowValues, Values
from app.business.planner.models import Cluster, Idea, Keyword, Site
from app.business.planner.services.cluster_keywords import cluster_keywords
from app.business.planner.services.record_versions import differing, lock_version, write_changes
from app.business.writer.models import Content, Task
from app.business.writer.services.article_checks.facts import CheckFacts, Draft
from app.business.writer.services.article_checks.keyword_checks import KEYWORDS_CHECKED
from app.business.writer.services.article_checks.score import ArticleVerdict, check_article
from app.business.writer.services.article_checks.source_checks import addresses_in

TEXTS = ("title", "html", "meta_title", "meta_description")
CHECKED = frozenset({*TEXTS, "main_keyword", "outline"})
"""Changes of these columns change the score."""
PAGES_COMPARED = 200
PAGES_LINKED = 1_000
PAGES_OFFERED = 40
UNCHECKED: Values = {"score": None, "checks_failed": [], "checks": []}


def score_values(session: Session, content: Content, changed: Values) -> RowValues:
    """The columns of the score of `content` with `changed` values. A brief, or an article without text, has none."""
    texts = {name: str(changed.get(name, getattr(content, name))) for name in TEXTS}
    if changed.get("outline", content.outline) or not texts["html"]:
        return dict(UNCHECKED)
    task = session.get(Task, content.task_id) if content.task_id else None
    site = session.get_one(Site, content.site_id)
    main_keyword = str(changed.get("main_keyword", content.main_keyword))
    facts = check_facts(session, site, task, main_keyword=main_keyword, content_id=content.id)
    return columns_of(check_article(Draft(**texts), facts))


def columns_of(verdict: ArticleVerdict) -> RowValues:
    """As it is kept with the article."""
    return {"score": verdict.score, "checks_failed": verdict.failed, "checks": verdict.as_json()}


def check_again(session: Session, content: Content, now: datetime) -> None:
    """Check the article as it is against the site's profile and pages as they are now."""
    lock_version(session, content)
    if values := differing(content, score_values(session, content, {})):
        write_changes(session, content, values, now)


def check_facts(
    session: Session, site: Site, task: Task | None, *, main_keyword: str, content_id: int | None = None
) -> CheckFacts:
    """What an article of the task is checked against."""
    idea = session.get(Idea, task.idea_id) if task and task.idea_id else None
    cluster = session.get(Cluster, idea.cluster_id) if idea and idea.cluster_id else None
    return CheckFacts(
        language=site.language,
        site_url=site.url,
        word_count=task.word_count if task else None,
        main_keyword=main_keyword or (task.main_keyword if task else ""),
        keywords=_keywords(session, cluster),
        avoid=tuple(site.words_to_avoid),
        links=(*known_links(session, site), *addresses_in(_given(site, task))),
        given=_given(site, task),
        pages=tuple(_pages(session, site, task, content_id)),
    )


def linkable_pages(session: Session, site: Site, task: Task) -> list[tuple[str, str]]:
    """Title and address of the site's published articles, the newest first, except the task's own."""
    query = (
        select(Content.title, Content.published_url)
        .where(Content.account_id == site.account_id, Content.site_id == site.id, Content.published_url != "")
        .where(Content.task_id.is_distinct_from(task.id))
        .order_by(Content.id.desc())
        .limit(PAGES_OFFERED)
    )
    return [(row.title, row.published_url) for row in session.execute(query)]


def known_links(session: Session, site: Site) -> list[str]:
    """Addresses of the site's own pages: published articles, and pages that rank."""
    published = (
        select(Content.published_url)
        .where(Content.account_id == site.account_id, Content.site_id == site.id, Content.published_url != "")
        .order_by(Content.id.desc())
        .limit(PAGES_LINKED)
    )
    ranking = (
        select(Keyword.url)
        .where(Keyword.account_id == site.account_id, Keyword.site_id == site.id, Keyword.url != "")
        .distinct()
        .limit(PAGES_LINKED)
    )
    return list(dict.fromkeys([*session.scalars(published), *session.scalars(ranking)]))


def _given(site: Site, task: Task | None) -> tuple[str, ...]:
    """Texts by people, which an article may take over."""
    said = (site.about, site.facts, site.call_to_action, *((task.title, task.brief) if task else ()))
    return tuple(filter(None, said))


def _keywords(session: Session, cluster: Cluster | None) -> tuple[str, ...]:
    if cluster is None:
        return ()
    return tuple(keyword["text"] for keyword in cluster_keywords(session, cluster, KEYWORDS_CHECKED))


def _pages(
    session: Session, site: Site, task: Task | None, content_id: int | None
) -> Iterator[tuple[str, str]]:
    """The site's other articles, newest first. One of the same task is another version of this one."""
    query = (
        select(Content.title, Content.html)
        .where(Content.account_id == site.account_id, Content.site_id == site.id, Content.outline.is_(False))
        .where(Content.id.is_distinct_from(content_id), Content.html != "")
        .order_by(Content.id.desc())
        .limit(PAGES_COMPARED)
    )
    if task:
        query = query.where(Content.task_id.is_distinct_from(task.id))
    for row in session.execute(query):
        yield row.title, row.html
