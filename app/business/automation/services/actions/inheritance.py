"""What a created record inherits from its source: cluster, idea and main keyword."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Idea, Keyword, Record
from app.business.writer.models import Content, Task


@dataclass(frozen=True)
class Inherited:
    """Empty where the source has none."""

    main_keyword: str = ""
    cluster: Cluster | None = None
    idea_id: int | None = None


def inherited(session: Session, source: Record) -> Inherited:
    """A keyword's text is the main keyword; tasks and content find cluster and idea through one another."""
    match source:
        case Keyword():
            return Inherited(source.text, _cluster(session, source.cluster_id))
        case Cluster():
            return Inherited(source.main_keyword, source)
        case Idea():
            return Inherited(source.main_keyword, _cluster(session, source.cluster_id), source.id)
        case Task():
            idea = session.get(Idea, source.idea_id) if source.idea_id else None
            return _of_idea(session, idea, source.main_keyword)
        case Content():
            task = session.get(Task, source.task_id) if source.task_id else None
            idea = session.get(Idea, task.idea_id) if task and task.idea_id else None
            return _of_idea(session, idea, source.main_keyword)
    return Inherited()


def _of_idea(session: Session, idea: Idea | None, main_keyword: str) -> Inherited:
    if idea is None:
        return Inherited(main_keyword)
    return Inherited(main_keyword or idea.main_keyword, _cluster(session, idea.cluster_id), idea.id)


def _cluster(session: Session, cluster_id: int | None) -> Cluster | None:
    return session.get(Cluster, cluster_id) if cluster_id else None
