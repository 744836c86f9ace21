"""Which sections a page has: topics of its own searches first, then what its kind of page covers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.business.language_model import PromptFacts
from app.business.planner.services.search_phrases import (
    as_subject,
    as_title,
    is_choice,
    is_comparison,
    is_purchase,
)
from app.business.planner.services.search_stems import Stems, stems_of
from app.business.planner.services.search_words import base_language
from app.infrastructure.ai.brief_labels import ASPECTS, Labels
from app.infrastructure.ai.search_groups import PlannedPage, Search, merged, of_page, page_of, topics

FEWEST, MOST = 5, 12
FEWEST_ASPECTS = 2
WORDS_PER_SECTION = 250
SEARCHES_IN_SECTION = 8
_EVERY_ASPECT = tuple(dict.fromkeys(aspect for some in ASPECTS.values() for aspect in some))


@dataclass
class BriefSection:
    """`answer`: what it must answer beside the questions."""

    heading: str
    answer: str = ""
    searches: list[Search] = field(default_factory=list)
    questions: list[Search] = field(default_factory=list)

    @property
    def all(self) -> list[Search]:
        return [*self.searches, *self.questions]


@dataclass
class BriefPlan:
    """`subject`: what headings name the page by · `core`: what it is about · `searches`: those it answers."""

    title: str
    subject: str
    core: Stems
    language: str
    searches: list[Search]
    sections: list[BriefSection] = field(default_factory=list)

    @property
    def left_over(self) -> list[Search]:
        """Searches of no section."""
        placed = {id(search) for section in self.sections for search in section.all}
        return [search for search in self.searches if id(search) not in placed]

    def number(self, value: int | None) -> str:
        """Only English groups digits with a comma."""
        if value is None:
            return ""
        return f"{value:,}" if base_language(self.language) == "en" else str(value)


def make_plan(facts: PromptFacts, background: PromptFacts, labels: Labels | None) -> BriefPlan:
    """The page's plan. `labels`: None in a language without words for the parts of a page."""
    language = facts["language"]
    pages = [page_of(**page, language=language) for page in background.get("pages", [])]
    own = background.get("own", 0)
    if not pages:
        pages = [page_of(facts["title"], facts["main_keyword"], facts["content_type"], language)]
    page = pages[own]
    aspects, subject = _aspects_of(pages, own, language)
    searches = merged(background.get("keywords") or facts["keywords"], language)
    plan = BriefPlan(
        title=facts["title"],
        subject=subject,
        core=stems_of(facts["main_keyword"] or page.main_keyword, language),
        language=language,
        searches=of_page(searches, pages, own, language),
    )
    wanted = max(FEWEST, min(MOST, 2 + facts["word_count"] // WORDS_PER_SECTION))
    if labels is None:
        plan.sections = _only_searches(plan, wanted)
    else:
        plan.sections = _sections(plan, page, aspects, labels, wanted)
    return plan


def nearest_pages(plan: BriefPlan, others: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The pages that share words with this one, the nearest first."""
    own = stems_of(plan.title, plan.language) | plan.core
    ranked = []
    for place, page in enumerate(others):
        stems = stems_of(page["title"], plan.language) | stems_of(page["main_keyword"], plan.language)
        if own & stems and page["title"] != plan.title:
            ranked.append((-len(own & stems) / len(own | stems), place))
    return [others[place] for _, place in sorted(ranked)]


def _sections(
    plan: BriefPlan, page: PlannedPage, aspects: Sequence[str], labels: Labels, wanted: int
) -> list[BriefSection]:
    room = wanted - FEWEST_ASPECTS
    if page.content_type == "questions":
        found = _of_questions(plan, room)
    else:
        found = _of_topics(plan, room)
        for section in found:
            section.answer = _answer_to(section.searches[0].head, plan.language, labels)
    count = max(FEWEST_ASPECTS, FEWEST - len(found))
    filled = [_of_aspect(plan, labels, key) for key in aspects[: max(count, min(wanted - len(found), 5))]]
    # What a page begins with stands before its topics, the rest after them.
    return [*filled[:1], *found, *filled[1:]]


def _of_topics(plan: BriefPlan, most: int) -> list[BriefSection]:
    found = topics((one for one in plan.searches if not one.is_question), plan.core, most)
    sections = [
        BriefSection(as_title(topic.head, plan.language), searches=topic.searches[:SEARCHES_IN_SECTION])
        for topic in found
    ]
    placed: set[int] = set()
    for topic, section in zip(found, sections, strict=True):
        words = frozenset.intersection(*(search.stems for search in topic.searches)) - plan.core
        for search in plan.searches:
            if search.is_question and id(search) not in placed and search.stems & words:
                placed.add(id(search))
                section.questions.append(search)
        del section.questions[SEARCHES_IN_SECTION:]
    return sections


def _answer_to(phrase: str, language: str, labels: Labels) -> str:
    """What a search that shows its purpose must be answered with."""
    purposes = ((is_purchase, "cost"), (is_comparison, "features"), (is_choice, "criteria"))
    key = next((aspect for shows, aspect in purposes if shows(phrase, language)), None)
    return f"{as_subject(phrase)} – {labels.aspects[key].answer}" if key else ""


def _of_questions(plan: BriefPlan, most: int) -> list[BriefSection]:
    """A section for each question."""
    asked = [search for search in plan.searches if search.is_question][:most]
    return [BriefSection(as_title(search.head, plan.language), searches=[search]) for search in asked]


def _of_aspect(plan: BriefPlan, labels: Labels, key: str) -> BriefSection:
    aspect = labels.aspects[key]
    subject = as_subject(as_title(plan.subject, plan.language))
    return BriefSection(f"{subject}{labels.colon}{aspect.heading}", f"{subject} – {aspect.answer}")


def _only_searches(plan: BriefPlan, wanted: int) -> list[BriefSection]:
    sections = _of_topics(plan, wanted)
    placed = {id(search) for section in sections for search in section.all}
    for search in plan.searches:
        if len(sections) < wanted and id(search) not in placed:
            sections.append(BriefSection(as_title(search.head, plan.language), searches=[search]))
    return sections or [BriefSection(as_title(plan.subject, plan.language))]


def _aspects_of(pages: Sequence[PlannedPage], own: int, language: str) -> tuple[list[str], str]:
    """What the page covers by its kind, and what its headings name it by.

    Pages with one main keyword share the aspects out among themselves; when none are left, headings name the title.
    """
    main = stems_of(pages[own].main_keyword, language)
    free, taken, rounds = list(_EVERY_ASPECT), [""], 1
    for page in pages[: own + 1]:
        if stems_of(page.main_keyword, language) != main:
            continue
        if len(free) < FEWEST:
            free, rounds = list(_EVERY_ASPECT), rounds + 1
        taken = list(_first(page, free))
        free = [aspect for aspect in free if aspect not in taken]
    return taken, pages[own].main_keyword if rounds == 1 else pages[own].title


def _first(page: PlannedPage, free: Sequence[str]) -> Iterator[str]:
    own = [aspect for aspect in ASPECTS.get(page.content_type, ASPECTS["article"]) if aspect in free]
    yield from (own + [aspect for aspect in free if aspect not in own])[:FEWEST]
