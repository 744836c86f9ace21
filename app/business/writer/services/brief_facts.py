"""What a brief is made from beside the facts of its task: the whole cluster, its other pages, and pages to link to."""

from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Idea, IdeaStatus, Keyword
from app.business.planner.services.cluster_keywords import SearchedKeyword, cluster_keywords, in_cluster
from app.business.writer.models import Content, Task

KEYWORDS_READ = 1_000
PAGES_READ = 300


@dataclass(frozen=True)
class BriefFacts:
    """wish: what a person wrote into the task · keywords: of the whole cluster, the most searched first · pages: ideas
    for the cluster, the oldest first; `own` is this one's position · others: further pages of the site, newest first.
    """

    wish: str = ""
    main_intent: str | None = None
    keyword_count: int = 0
    total_volume: int = 0
    keywords: list[SearchedKeyword] = field(default_factory=list)
    pages: list[dict[str, str]] = field(default_factory=list)
    own: int = 0
    others: list[dict[str, str]] = field(default_factory=list)


def brief_facts(session: Session, task: Task, idea: Idea | None, cluster: Cluster | None) -> BriefFacts:
    """The facts for the brief of a task."""
    others = _others(session, task, idea)
    # A task takes its brief from its idea, whose description lists the same searches.
    wish = task.brief if idea is None or task.brief != idea.description else ""
    if idea is None or cluster is None:
        return BriefFacts(wish=wish, others=others)
    count, volume = session.execute(
        select(func.count(), func.coalesce(func.sum(Keyword.volume), 0)).where(*in_cluster(cluster))
    ).one()
    pages, own = _pages(session, idea, cluster)
    return BriefFacts(
        wish=wish,
        main_intent=cluster.main_intent,
        keyword_count=count,
        total_volume=volume or 0,
        keywords=cluster_keywords(session, cluster, KEYWORDS_READ),
        pages=pages,
        own=own,
        others=others,
    )


def _pages(session: Session, idea: Idea, cluster: Cluster) -> tuple[list[dict[str, str]], int]:
    query = (
        select(Idea)
        .where(Idea.account_id == cluster.account_id, Idea.cluster_id == cluster.id)
        .where((Idea.status != IdeaStatus.REJECTED) | (Idea.id == idea.id))
        .order_by(Idea.id)
        .limit(PAGES_READ)
    )
    found = session.scalars(query).all()
    ids = [page.id for page in found]
    if idea.id not in ids:
        return [_page(idea.title, idea.main_keyword, idea.content_type)], 0
    return [_page(page.title, page.main_keyword, page.content_type) for page in found], ids.index(idea.id)


def _page(title: str, main_keyword: str, content_type: str) -> dict[str, str]:
    return {"title": title, "main_keyword": main_keyword, "content_type": content_type}


def _others(session: Session, task: Task, idea: Idea | None) -> list[dict[str, str]]:
    """Articles that exist, then ideas that somebody may still write."""
    articles = (
        select(Content.title, Content.main_keyword, Content.published_url)
        .where(Content.account_id == task.account_id, Content.site_id == task.site_id)
        .where(Content.outline.is_(False), Content.task_id.is_distinct_from(task.id))
        .order_by(Content.id.desc())
        .limit(PAGES_READ)
    )
    ideas = (
        select(Idea.title, Idea.main_keyword)
        .where(Idea.account_id == task.account_id, Idea.site_id == task.site_id)
        .where(Idea.status != IdeaStatus.REJECTED)
        .where(Idea.id.is_distinct_from(idea.id if idea else None))
        .order_by(Idea.id.desc())
        .limit(PAGES_READ)
    )
    found = {title: _link(title, keyword, url) for title, keyword, url in session.execute(articles)}
    for title, keyword in session.execute(ideas):
        found.setdefault(title, _link(title, keyword, ""))
    return list(found.values())


def _link(title: str, main_keyword: str, url: str) -> dict[str, str]:
    return {"title": title, "main_keyword": main_keyword, "url": url}
