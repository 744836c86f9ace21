"""The outline of an article: sections, what each should cover, and questions to answer, from the facts of its task."""

import re
from collections.abc import Iterator
from typing import Any

from app.infrastructure.ai.search_phrases import (
    and_list,
    as_title,
    is_comparison,
    is_how_to,
    is_purchase,
    is_question,
)

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|])")
QUESTIONS_LIMIT = 6
WORDS_PER_QUESTION = 150
SECTIONS_LIMIT = 40

_DEFINE = (
    "Say in one or two sentences what **{0}** means to the reader, in the words the reader uses. Then name who it "
    "matters to and who can skip this part."
)
_STEPS = (
    "List the steps in the order in which they are done. For each: what is needed, how long it takes, what it looks"
    " like when it worked, and the mistake most people make there."
)
_WEIGH = (
    "Compare the options for **{0}** by the same criteria: price, effort, quality, and what happens when needs "
    "change. Close with one clear recommendation for each kind of reader."
)
_COST = (
    "Give the price range for **{0}** with its date and source, what moves it up or down, and what a reader gets at"
    " the low and at the high end. Name costs that are easily forgotten."
)
_ANSWER = (
    "Answer “{0}” in the first sentence. Then give the reason, the exceptions, and one example from practice."
)
_EXPLAIN = (
    "Explain **{0}** with one concrete example. Say what changes the answer for different readers, and link to the "
    "page of this site that goes deeper."
)

_MORE = (
    (
        "What to look for in {0}",
        "Name three to five signs by which a reader can judge **{0}** without being an expert. Put the most telling"
        " sign first, and say how to check it.",
    ),
    (
        "Mistakes with {0}",
        "Collect the mistakes that come up again and again with **{0}**. For each: how it happens, what it costs, "
        "and what to do instead.",
    ),
    (
        "{0}: an example",
        "Tell one real case around **{0}** from start to end: the situation, the decision, the result, and what the"
        " people involved would do differently.",
    ),
    (
        "{0}: facts and figures",
        "Back up what is said about **{0}** with two or three figures from primary sources. Note source and year "
        "beside each figure, so that it can be checked later.",
    ),
    (
        "When {0} is not the answer",
        "Say honestly when **{0}** is not what the reader needs, and what would suit better. Readers trust a page "
        "that turns some of them away.",
    ),
    (
        "Who {0} is for",
        "Describe two or three kinds of readers for whom **{0}** matters, each in one sentence, with the situation "
        "they are in. Say what each of them should read first on this page.",
    ),
    (
        "How to begin with {0}",
        "Give the shortest way to a first result with **{0}**: what to have at hand, the first three actions, and "
        "how long they take. Leave out everything that can wait.",
    ),
    (
        "What {0} depends on",
        "List the two or three conditions that change the answer on **{0}** most, such as budget, time or place. "
        "For each, say which way it changes the advice.",
    ),
    (
        "{0}: words to know",
        "Explain the three to five terms a reader meets with **{0}**, one sentence each, without using another of "
        "the terms to do so.",
    ),
    (
        "Myths about {0}",
        "Take two beliefs about **{0}** that do not hold up. State each fairly, say what is true instead, and name "
        "the source that shows it.",
    ),
    (
        "{0}: a checklist",
        "Sum up **{0}** as a list of five to eight points that a reader can tick off, in the order in which they "
        "come up. Each point starts with a verb.",
    ),
    (
        "{0}: next steps",
        "End with what a reader can do today about **{0}**: one small step, one larger one, and whom to ask when "
        "unsure.",
    ),
)


def draft_article(facts: dict[str, Any]) -> dict[str, Any]:
    """An outline of about the requested length, as far as the facts allow; never padded with invented ones."""
    phrases = _phrases(facts)
    answers = min(QUESTIONS_LIMIT, facts["word_count"] // WORDS_PER_QUESTION)
    questions = [phrase for phrase in phrases if is_question(phrase)][:answers]
    parts = [_introduction(facts, phrases)]
    ending = _questions(questions) if questions else ""
    words = len(f"{parts[0]} {ending}".split())
    for section in _sections(phrases, set(questions)):
        if words >= facts["word_count"] and len(parts) > 2:
            break
        parts.append(section)
        words += len(section.split())
    title = facts["title"]
    return {
        "title": title,
        "body": "\n\n".join([*parts, ending] if ending else parts),
        "meta_title": title,
        "meta_description": _meta_description(phrases),
    }


def _phrases(facts: dict[str, Any]) -> list[str]:
    """The main keyword, then the others, without repeats; the title where there is no keyword."""
    texts = [facts["main_keyword"], *(keyword["text"] for keyword in facts["keywords"])]
    return list(dict.fromkeys(text for text in texts if text)) or [facts["title"]]


def _introduction(facts: dict[str, Any], phrases: list[str]) -> str:
    volumes = [keyword["volume"] or 0 for keyword in facts["keywords"]]
    lines = [f"**In short:** an article for people who search for {_escape(and_list(phrases[:4]))}."]
    if facts["brief"]:
        lines.append(_escape(facts["brief"]))
    if sum(volumes):
        lines.append(
            f"Together its {len(volumes)} keywords are searched about {sum(volumes):,} times a month."
        )
    lines.append(
        "Open with the reader's situation in two sentences, give the main answer at once, and say what the rest "
        "of the article adds. Every section below says what it has to deliver."
    )
    return "\n\n".join(lines)


def _sections(phrases: list[str], asked: set[str]) -> Iterator[str]:
    """One section for each search that is not a question of the last part, then more angles on the first ones."""
    topics = [phrase for phrase in phrases if phrase not in asked][:SECTIONS_LIMIT] or phrases[:1]
    for index, phrase in enumerate(topics):
        yield _section(as_title(phrase), _task_of(phrase, first=index == 0), phrase)
    for phrase in topics:
        for heading, text in _MORE:
            yield _section(heading.format(phrase), text, phrase)


def _task_of(phrase: str, *, first: bool) -> str:
    if is_how_to(phrase):
        return _STEPS
    if is_question(phrase):
        return _ANSWER
    if is_comparison(phrase):
        return _WEIGH
    if is_purchase(phrase):
        return _COST
    return _DEFINE if first else _EXPLAIN


def _section(heading: str, text: str, phrase: str) -> str:
    return f"## {_escape(as_title(heading))}\n\n{text.format(_escape(phrase))}"


def _questions(questions: list[str]) -> str:
    parts = [
        f"### {_escape(as_title(phrase))}\n\n{_ANSWER.format(_escape(as_title(phrase)))}"
        for phrase in questions
    ]
    return "\n\n".join(["## Questions and answers", *parts])


def _meta_description(phrases: list[str]) -> str:
    others = [phrase for phrase in phrases if phrase != phrases[0] and not is_question(phrase)][:3]
    more = f" With {and_list(others)}." if others else ""
    return f"{as_title(phrases[0]).removesuffix('?')}: what matters, explained step by step.{more}"


def _escape(text: str) -> str:
    return _MARKS.sub(r"\\\1", text)
