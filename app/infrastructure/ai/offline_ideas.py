"""Article ideas from the searches of a cluster, each with a different angle."""

from collections.abc import Iterator
from typing import Any

from app.business.folding import name_key
from app.infrastructure.ai.search_phrases import (
    and_list,
    as_title,
    is_choice,
    is_comparison,
    is_how_to,
    is_purchase,
    is_question,
    rivals,
)

Idea = dict[str, str]
SEARCHES_NAMED = 4

_ANGLES = (
    (
        "guide",
        "{}: the complete guide",
        "A starting point for readers who are new to the subject: what it is, what matters and what to do next.",
    ),
    (
        "questions",
        "{}: your questions answered",
        "Short, direct answers to what people ask most, each under its own heading.",
    ),
    (
        "list",
        "{}: 7 things to know",
        "A list that can be read in five minutes, one point to a paragraph, most important first.",
    ),
    (
        "how_to",
        "{}, step by step",
        "What to prepare, what to do in which order, and how to tell that it worked.",
    ),
    (
        "article",
        "{}: common mistakes and how to avoid them",
        "What often goes wrong, why, and what to do instead.",
    ),
    (
        "article",
        "{} for beginners",
        "The basics in plain words, without knowledge taken for granted.",
    ),
    (
        "list",
        "{}: a practical checklist",
        "Points to tick off, with one sentence each on why they matter.",
    ),
    (
        "article",
        "{}: myths and facts",
        "Things people believe about it, and what holds up.",
    ),
    (
        "guide",
        "{}: what the experts look at",
        "The criteria that matter when one looks closely, with examples.",
    ),
    (
        "article",
        "{}: what has changed",
        "What is new for readers who know the basics, and what stays as it was.",
    ),
)
_BUYING = (
    (
        "comparison",
        "{} compared: how to choose",
        "The options side by side, with the questions that decide between them and a clear recommendation for each "
        "kind of reader.",
    ),
    (
        "guide",
        "{}: what it costs and what you get",
        "What the price depends on, what is worth paying for, and where to save.",
    ),
    (
        "review",
        "{}: what to look for before you buy",
        "The criteria that separate good from poor, in the order in which a buyer meets them.",
    ),
)


def draft_ideas(facts: dict[str, Any]) -> dict[str, Any]:
    """`count` ideas with different titles; those drawn from real questions and comparisons come first."""
    taken = {name_key(title) for title in facts["titles_already_there"]}
    ideas: list[Idea] = []
    for idea in _candidates(facts):
        if name_key(idea["title"]) not in taken:
            taken.add(name_key(idea["title"]))
            ideas.append(idea)
        if len(ideas) == facts["count"]:
            break
    return {"ideas": ideas or [_plain(facts, facts["main_keyword"])]}


def _candidates(facts: dict[str, Any]) -> Iterator[Idea]:
    phrases = [keyword["text"] for keyword in facts["keywords"]]
    if not facts["language"].lower().startswith("en"):
        # English patterns would read wrong in other languages: the searches themselves are good titles.
        yield from (_plain(facts, phrase) for phrase in (facts["main_keyword"], *phrases))
        return
    first, *rest = _ANGLES
    yield _from_pattern(facts, first)
    yield from (_from_phrase(facts, phrase) for phrase in _usable_titles(phrases)[:3])
    if _is_buying(facts, phrases) and not is_question(facts["main_keyword"]):
        yield from (_from_pattern(facts, pattern) for pattern in _BUYING)
    yield from (_from_pattern(facts, pattern) for pattern in rest)
    yield from (_from_phrase(facts, phrase) for phrase in phrases)


def _usable_titles(phrases: list[str]) -> list[str]:
    """Searches that work as titles already: one how-to, one comparison, one question, then the rest of these."""
    kinds = [
        [phrase for phrase in phrases if is_how_to(phrase)],
        [phrase for phrase in phrases if rivals(phrase)],
        [phrase for phrase in phrases if is_question(phrase) and not is_how_to(phrase)],
    ]
    firsts = [kind[0] for kind in kinds if kind]
    return firsts + [phrase for kind in kinds for phrase in kind[1:]]


def _is_buying(facts: dict[str, Any], phrases: list[str]) -> bool:
    signs = sum(is_choice(phrase) or is_purchase(phrase) or is_comparison(phrase) for phrase in phrases)
    return facts["main_intent"] in ("commercial", "transactional") or 3 * signs >= len(phrases) > 0


def _from_pattern(facts: dict[str, Any], pattern: tuple[str, str, str]) -> Idea:
    content_type, title, description = pattern
    subject = as_title(facts["main_keyword"]).removesuffix("?")
    return _idea(facts, title.format(subject), description, content_type, facts["main_keyword"])


def _from_phrase(facts: dict[str, Any], phrase: str) -> Idea:
    if sides := rivals(phrase):
        title = f"{as_title(sides[0])} vs {sides[1]}: which one suits you?"
        fair = "Both sides by the same criteria, and who is better off with which."
        return _idea(facts, title, fair, "comparison", phrase)
    if is_how_to(phrase):
        title = f"{as_title(phrase).removesuffix('?')}: a step-by-step guide"
        steps = "What to prepare, what to do in which order, and how to tell that it worked."
        return _idea(facts, title, steps, "how_to", phrase)
    kind = "questions" if is_question(phrase) else "article"
    direct = "The answer in the first paragraph, then the reasons and details."
    return _idea(facts, as_title(phrase), direct, kind, phrase)


def _plain(facts: dict[str, Any], phrase: str) -> Idea:
    """A search as it is: in a language without patterns its words are the only ones that read right."""
    language = facts["language"]
    others = [keyword["text"] for keyword in facts["keywords"] if keyword["text"] != phrase]
    return {
        "title": as_title(phrase, language)[:255],
        "description": ", ".join([phrase, *others[:SEARCHES_NAMED]]),
        "content_type": _kind(phrase, language),
        "main_keyword": phrase,
    }


def _kind(phrase: str, language: str) -> str:
    if is_how_to(phrase, language):
        return "how_to"
    if is_comparison(phrase, language):
        return "comparison"
    return "questions" if is_question(phrase, language) else "article"


def _idea(facts: dict[str, Any], title: str, description: str, content_type: str, main_keyword: str) -> Idea:
    others = [keyword["text"] for keyword in facts["keywords"] if keyword["text"] != main_keyword]
    others = others[:SEARCHES_NAMED]
    searches = f" Readers also search for {and_list(others)}." if others else ""
    return {
        "title": title[:255],
        "description": f"{description}{searches}",
        "content_type": content_type,
        "main_keyword": main_keyword,
    }
