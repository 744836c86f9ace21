"""Checks of an article's form: length, headings, title and description for search engines."""

import re

from app.business.writer.services.article_checks.facts import ArticleFinding, CheckFacts, Draft
from app.business.writer.services.article_html import count_words

TOLERANCE = 0.15
META_TITLE_LIMIT, META_DESCRIPTION_LIMIT = 60, 155
WORDS_WITHOUT_HEADINGS = 300
_NUMBERED = re.compile(r"^(?:\w+ )?(\d{1,2})[.):]?\s")


def check_length(draft: Draft, facts: CheckFacts) -> ArticleFinding | None:
    if not facts.word_count:
        return None
    words, asked = count_words(draft.html), facts.word_count
    message = f"{words:,} words; {asked:,} were asked for"
    off = abs(words - asked) / asked
    if off <= TOLERANCE:
        return ArticleFinding("length", 0, f"{message}.")
    way = "short" if words < asked else "long"
    points = round(10 + 30 * min(1.0, (off - TOLERANCE) / (1 - TOLERANCE)))
    return ArticleFinding(
        "length", points, f"{message}: {off:.0%} too {way}; up to {TOLERANCE:.0%} is in order."
    )


def is_too_short(words: int, facts: CheckFacts) -> bool:
    """Whether an article of so many words is not what was asked for."""
    return bool(facts.word_count) and words < (1 - TOLERANCE) * (facts.word_count or 0)


def check_headings(draft: Draft, _facts: CheckFacts) -> ArticleFinding:
    faults: dict[str, str] = {}
    headings, above = draft.text.headings, 1
    for heading in headings:
        if heading.level > above + 1:
            fault = f"a heading of level {heading.level} follows one of level {above}"
            faults.setdefault(fault.replace("one of level 1", "the title"), heading.text)
        above = heading.level
    names = [heading.text.casefold() for heading in headings]
    for heading in headings:
        if names.count(heading.text.casefold()) > 1:
            faults.setdefault("a heading stands there twice", heading.text)
        if heading.level == 1 or heading.text.casefold() == draft.title.casefold():
            faults.setdefault("the title is repeated within the article", heading.text)
    if name := _out_of_order(draft):
        faults["numbered headings are not in their order"] = name
    if not headings and count_words(draft.html) > WORDS_WITHOUT_HEADINGS:
        faults["there is no heading at all"] = ""
    if not faults:
        return ArticleFinding("headings", 0, "The headings follow one another level by level.")
    points = min(10 + 4 * (len(faults) - 1), 20)
    message = _sentence(list(faults))
    return ArticleFinding("headings", points, message, tuple(filter(None, dict.fromkeys(faults.values()))))


def _out_of_order(draft: Draft) -> str | None:
    """The first numbered heading whose number does not follow that of the one before."""
    last: dict[int, int] = {}
    for heading in draft.text.headings:
        last = {level: number for level, number in last.items() if level <= heading.level}
        if not (number := _NUMBERED.match(heading.text)):
            continue
        if (before := last.get(heading.level)) is not None and int(number[1]) <= before:
            return heading.text
        last[heading.level] = int(number[1])
    return None


def check_metas(draft: Draft, _facts: CheckFacts) -> ArticleFinding:
    faults = []
    for name, text, limit in (
        ("title", draft.meta_title, META_TITLE_LIMIT),
        ("description", draft.meta_description, META_DESCRIPTION_LIMIT),
    ):
        if not text:
            faults.append(f"the {name} for search engines is missing")
        elif len(text) > limit:
            faults.append(f"the {name} for search engines has {len(text)} characters, more than {limit}")
    if not faults:
        return ArticleFinding("metas", 0, "Title and description for search engines are there and fit.")
    return ArticleFinding("metas", 3 * len(faults), _sentence(faults))


def _sentence(faults: list[str]) -> str:
    text = "; ".join(faults)
    return f"{text[0].upper()}{text[1:]}."
