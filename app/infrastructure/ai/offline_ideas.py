"""Pages worth writing for the searches of a cluster: one for its need, further ones for searches of their own kind."""

from collections.abc import Iterator
from typing import Any

from app.business.language_model import PromptFacts
from app.business.planner.services.search_phrases import (
    and_list,
    as_title,
    is_choice,
    is_comparison,
    is_how_to,
    is_purchase,
    is_question,
    rivals,
)
from app.business.planner.services.search_stems import stems_of, subject_of
from app.business.planner.services.search_words import base_language
from app.infrastructure.ai.idea_titles import page_title

Idea = dict[str, str]
SEARCHES_NAMED = 4
SPARE = 10
"""Proposed beyond what is asked for: some may compete with pages that are there."""

_GUIDE = (
    "A starting point for readers who are new to the subject: what it is, what matters and what to do next."
)
_CHOICE = (
    "The options side by side, with the questions that decide between them, and one for each kind of reader."
)
_COST = "What the price depends on, what is worth paying for, and where to save."
_STEPS = "What to prepare, what to do in which order, and how to tell that it worked."
_FAIR = "Both sides by the same criteria, and who is better off with which."
_DIRECT = "The answer in the first paragraph, then the reasons and details."


def draft_ideas(facts: PromptFacts) -> dict[str, Any]:
    """The page for the cluster's main keyword, then those of its how-tos, comparisons and questions that this page
    does not answer; no two for the same words.
    """
    language, main = facts["language"], facts["main_keyword"]
    found = {stems_of(main, language): _page(facts, main)}
    for phrase in _of_own_kind(facts):
        if subject_of(phrase, language) != subject_of(main, language):
            found.setdefault(stems_of(phrase, language), _page(facts, phrase))
    return {"ideas": list(found.values())[: facts["count"] + SPARE]}


def _of_own_kind(facts: PromptFacts) -> Iterator[str]:
    """The most searched of each kind first, so that few ideas are not all of one kind."""
    language = facts["language"]
    phrases = [keyword["text"] for keyword in facts["keywords"]]
    kinds = [
        [phrase for phrase in phrases if shows(phrase, language)]
        for shows in (is_how_to, is_comparison, is_question)
    ]
    yield from (kind[0] for kind in kinds if kind)
    yield from (phrase for kind in kinds for phrase in kind[1:])


def _page(facts: PromptFacts, phrase: str) -> Idea:
    language = facts["language"]
    is_english = base_language(language) == "en"
    kind, title, english = _plan(facts, phrase, language, is_english=is_english)
    others = [keyword["text"] for keyword in facts["keywords"] if keyword["text"] != phrase][:SEARCHES_NAMED]
    if is_english:
        description = f"{english} Readers also search for {and_list(others)}." if others else english
    else:
        # In other languages the searches are the only words that certainly read right.
        description = ", ".join([phrase, *others])
    return {
        "title": title[:255],
        "description": description,
        "content_type": kind,
        "main_keyword": phrase,
    }


def _plan(facts: PromptFacts, phrase: str, language: str, *, is_english: bool) -> tuple[str, str, str]:
    """Kind of page, title, and its description in English."""
    title = as_title(phrase, language)
    if is_comparison(phrase, language):
        sides = rivals(phrase) if is_english else None
        named = f"{as_title(sides[0])} vs {sides[1]}: which one suits you?" if sides else title
        return "comparison", named, _FAIR
    if is_how_to(phrase, language):
        steps = f"{title.removesuffix('?')}: a step-by-step guide" if is_english else title
        return "how_to", steps, _STEPS
    if is_question(phrase, language):
        return "questions", title, _DIRECT
    return _of_intent(facts["main_intent"], phrase, language)


def _of_intent(intent: str | None, phrase: str, language: str) -> tuple[str, str, str]:
    if is_purchase(phrase, language) or intent == "transactional":
        return "guide", page_title(phrase, "cost", language), _COST
    if is_choice(phrase, language) or intent == "commercial":
        return "comparison", page_title(phrase, "choice", language), _CHOICE
    return "guide", page_title(phrase, "guide", language), _GUIDE
