"""What a person who edits an article needs beside it: its brief, the searches it should answer, pages to link to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import nh3
from sqlalchemy.orm import Session

from app.business.folding import fold
from app.business.planner.models import Cluster
from app.business.planner.services.cluster_keywords import SearchedKeyword
from app.business.writer.models import Content
from app.business.writer.services.brief_facts import BriefFacts, brief_facts

KEYWORDS_SHOWN, PAGES_SHOWN = 40, 15


@dataclass(frozen=True)
class ClusterSearch:
    """A keyword of the cluster; `volume`: searches a month, where known. `used`: it stands in the text."""

    text: str
    volume: int | None
    used: bool


@dataclass(frozen=True)
class WritingFacts:
    """words: how many the task asks for, none without a task. more: keywords beyond those in `keywords`.

    pages: title and address of published pages of the site, those of the cluster first.
    """

    brief: str = ""
    words: int | None = None
    keywords: Sequence[ClusterSearch] = ()
    more: int = 0
    pages: Sequence[dict[str, str]] = field(default_factory=tuple)


def writing_facts(session: Session, content: Content) -> WritingFacts:
    """The facts as they are now."""
    task = content.task
    if task is None:
        return WritingFacts(keywords=_searches(content, [_alone(content.main_keyword)]))
    idea = task.idea
    cluster = session.get(Cluster, idea.cluster_id) if idea and idea.cluster_id else None
    facts = brief_facts(session, task, idea, cluster)
    keywords = facts.keywords or [_alone(content.main_keyword or task.main_keyword)]
    return WritingFacts(
        brief=task.brief,
        words=task.word_count,
        keywords=_searches(content, keywords[:KEYWORDS_SHOWN]),
        more=max(facts.keyword_count - KEYWORDS_SHOWN, 0),
        pages=_published(facts),
    )


def _alone(keyword: str) -> SearchedKeyword:
    return {"text": keyword, "volume": None, "intent": None}


def _searches(content: Content, keywords: Sequence[SearchedKeyword]) -> list[ClusterSearch]:
    text = fold(nh3.clean(content.html.replace("<", " <"), tags=set()))
    return [
        ClusterSearch(one["text"], one["volume"], fold(one["text"]) in text)
        for one in keywords
        if one["text"]
    ]


def _published(facts: BriefFacts) -> list[dict[str, str]]:
    return [page for page in facts.others if page["url"]][:PAGES_SHOWN]
