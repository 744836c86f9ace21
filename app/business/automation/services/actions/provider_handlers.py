"""Handlers that call an AI provider or compute for long: grouping keywords, ideas, articles."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.actions.handler import Handlers, Work
from app.business.automation.services.catalogue.actions.cluster_keywords import (
    CLUSTER_KEYWORDS,
    ClusterKeywords,
)
from app.business.automation.services.catalogue.actions.generate_content import (
    GENERATE_CONTENT,
    GenerateContent,
)
from app.business.automation.services.catalogue.actions.generate_ideas import GENERATE_IDEAS, GenerateIdeas
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.runs import unit_parts
from app.business.automation.services.runs.awaited_records import clusters_in_use
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.person_questions import OUTLINE_WHO, QUESTION, until_of
from app.business.automation.services.runs.unit_parts import Part
from app.business.automation.services.runs.unit_receipts import Ask, Done, LeftOut, Unit
from app.business.errors import Conflict, NotFound
from app.business.language_model import Embedder
from app.business.outlets.services import ai_spending
from app.business.planner.models import Cluster
from app.business.planner.services.clustering_plan import ClusteringAnswer, ClusteringRequest
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.ideas_service import IdeasAnswer, IdeasRequest, IdeasService
from app.business.planner.services.page_doubles import NearDouble
from app.business.writer.models import Task
from app.business.writer.services.article_parts import KeptPart, NewPart
from app.business.writer.services.content_service import (
    ContentAnswer,
    ContentGenerationService,
    ContentRequest,
)
from app.business.writer.services.site_pages import WRITTEN_PAGES

Request = TypeVar("Request", IdeasRequest, ContentRequest)
DOUBLES_NAMED = 3
INSTRUCTION_TOKENS = 1_500
"""Tokens of the instructions and of the answer's schema, at most."""


def set_aside(session: Session, context: RunContext, key: str, request: Request) -> Request:
    """The request, once the money that its call may cost is reserved; with the refusal where it is not.

    key: of the call.
    """
    connection = request.connection
    if connection is None:
        return request
    # A token has about four letters, in some scripts one or two; an unusable answer is requested once more.
    sent = INSTRUCTION_TOKENS + len(str(request)) // 2
    tokens = (2 * sent + request.most_written, 2 * request.most_written)
    refusal = ai_spending.reserve(session, context.account, connection, key, tokens, context.now)
    return replace(request, refusal=refusal)


class ClusterKeywordsWork(Work[ClusteringRequest, ClusteringAnswer]):
    """Places one sector's new keywords: in similar clusters first, then in new ones; the rest stays new, free of
    charge. As long as the sector is small, clusters that nobody has worked on are grouped anew with them as it grows.
    """

    def __init__(self, service: ClusteringService) -> None:
        self.service = service

    def read(self, session: Session, context: RunContext, unit: Unit) -> ClusteringRequest | LeftOut:
        """The texts of the sector's keywords and clusters."""
        params: ClusterKeywords = unit.step.params
        try:
            request = self.service.read(
                session,
                context.account.id,
                unit.record_id,
                unit.ids,
                min_cluster_size=params.min_cluster_size,
            )
        except Conflict as refusal:
            return LeftOut(refusal.message)
        if request.connection is None:
            return request
        tokens = (request.letters, 0)
        over_limit = ai_spending.reserve(
            session, context.account, request.connection, unit.key, tokens, context.now
        )
        return replace(request, refusal=over_limit)

    def work(self, request: ClusteringRequest, key: str) -> ClusteringAnswer:
        return self.service.group(request, key)

    def save(self, session: Session, context: RunContext, unit: Unit, answer: ClusteringAnswer) -> Done:
        """Charged by the number of keywords placed."""
        saved = self.service.save(
            session, answer, origin=context.origin(unit.step.index, unit.key), now=context.now
        )
        return Done(
            made={"cluster": [cluster.id for cluster in saved.clusters]},
            records=saved.placed,
            # Left-overs of earlier runs that fitted now are free.
            credits=CLUSTER_KEYWORDS.price(unit.step.params, min(saved.placed, len(unit.ids))),
            use=answer.use,
            message=f"{plural(saved.placed, 'keyword')} placed in clusters{_moved(saved.moved)}",
        )

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """Nothing was reserved."""


def _moved(count: int) -> str:
    """`; 12 keywords moved between clusters that nobody has worked on`."""
    return f"; {plural(count, 'keyword')} moved between clusters that nobody has worked on" if count else ""


class GenerateIdeasWork(Work[IdeasRequest, IdeasAnswer]):
    """Generates the ideas of one cluster."""

    def __init__(self, service: IdeasService) -> None:
        self.service = service

    def read(self, session: Session, context: RunContext, unit: Unit) -> IdeasRequest | LeftOut:
        """The cluster's keywords and existing ideas."""
        params: GenerateIdeas = unit.step.params
        try:
            request = self.service.read(
                session,
                context.account.id,
                unit.record_id,
                count=params.ideas_per_cluster,
                again=params.again,
            )
        except (Conflict, NotFound) as refusal:
            return LeftOut(refusal.message)
        return set_aside(session, context, unit.key, request)

    def work(self, request: IdeasRequest, key: str) -> IdeasAnswer:
        return self.service.generate(request, key)

    def save(self, session: Session, context: RunContext, unit: Unit, answer: IdeasAnswer) -> Done:
        """Charged for each started five ideas delivered."""
        saved = self.service.save(
            session, answer, origin=context.origin(unit.step.index, unit.key), now=context.now
        )
        name = session.get_one(Cluster, unit.record_id).name
        ids = [idea.id for idea in saved.ideas]
        return replace(ideas_made(unit.step.params, name, ids, saved.doubles), use=answer.use)

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """Nothing was reserved."""


def ideas_made(
    params: GenerateIdeas, cluster: str, ids: Sequence[int], doubles: Sequence[NearDouble]
) -> Done:
    """What a unit has done that made these ideas for the cluster of that name."""
    made = f"{plural(len(ids), 'idea') if ids else 'No idea'} for “{cluster}”"
    return Done(
        made={"idea": list(ids)},
        records=1 if ids else 0,
        credits=GENERATE_IDEAS.charge(params, len(ids)),
        near_doubles=len(doubles),
        message=f"{made}{_not_made(doubles)}",
    )


def _not_made(doubles: Sequence[NearDouble]) -> str:
    """`; not made: “A” would compete with “B”`."""
    if not doubles:
        return ""
    more = f" and {len(doubles) - DOUBLES_NAMED:,} more" if len(doubles) > DOUBLES_NAMED else ""
    return f"; not made: {', '.join(map(str, doubles[:DOUBLES_NAMED]))}{more}"


class GenerateContentWork(Work[ContentRequest, ContentAnswer]):
    """Writes the article of one task part by part; the status of the task meanwhile is "writing"."""

    def __init__(self, service: ContentGenerationService) -> None:
        self.service = service

    def read(self, session: Session, context: RunContext, unit: Unit) -> ContentRequest | LeftOut | Ask:
        """The task's brief, its cluster's keywords, and what is written so far."""
        params: GenerateContent = unit.step.params
        origin = context.origin(unit.step.index, unit.key)
        kept = unit_parts.parts_of(session, context, unit)
        if kept and kept[-1].kind == QUESTION and context.now < until_of(kept[-1]):
            title = kept[-1].data["title"]
            return Ask(f"Is the outline of “{title}” right?", until_of(kept[-1]), OUTLINE_WHO)
        try:
            request = self.service.read(
                session,
                unit.record_id,
                again=params.again,
                approve_outline=params.approve_outline,
                parts=[KeptPart(part.number, part.attempt, part.kind, part.data) for part in kept],
                origin=origin,
                now=context.now,
            )
        except (Conflict, NotFound) as refusal:
            return LeftOut(refusal.message)
        key = unit_parts.part_key(unit, len(kept) + 1)
        return replace(set_aside(session, context, key, request), call_key=key)

    def work(self, request: ContentRequest, key: str) -> ContentAnswer | Part:
        answer = self.service.generate(request, key)
        return Part(answer.kind, answer.data, answer.use) if isinstance(answer, NewPart) else answer

    def save(self, session: Session, context: RunContext, unit: Unit, answer: ContentAnswer) -> Done:
        """Charged for the actual result: an article by its words, a brief at its fixed price."""
        unasked = unit_parts.part_key(unit, len(unit_parts.parts_of(session, context, unit)) + 1)
        ai_spending.settle(session, context.account, unasked, None, unused=True, now=context.now)
        content = self.service.save(
            session, answer, origin=context.origin(unit.step.index, unit.key), now=context.now
        )
        asked = session.scalars(select(Task.word_count).where(Task.id == unit.record_id)).one()
        return Done(
            made={"content": [content.id]},
            credits=GENERATE_CONTENT.price(
                unit.step.params, min(answer.word_count, asked), connected=not answer.outline
            ),
            message=f"Brief of “{content.title}”, made without an AI connection"
            if answer.outline
            else f"Content “{content.title}”",
        )

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """The task becomes failed and may be written again."""
        origin = context.origin(unit.step.index, unit.key)
        self.service.give_up(session, unit.record_id, origin=origin, now=context.now)


HANDLERS: Handlers = {
    CLUSTER_KEYWORDS.key: lambda model: ClusterKeywordsWork(
        ClusteringService(model if isinstance(model, Embedder) else None, clusters_in_use)
    ),
    GENERATE_IDEAS.key: lambda model: GenerateIdeasWork(IdeasService(model, WRITTEN_PAGES)),
    GENERATE_CONTENT.key: lambda model: GenerateContentWork(ContentGenerationService(model)),
}
