"""Checks of where an article's content is from: links, sentences of other pages, figures and quotes."""

import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from app.business.writer.services.article_checks.facts import ArticleFinding, CheckFacts, Draft
from app.business.writer.services.article_checks.text import (
    ArticleText,
    runs_of_words,
    sentences_of,
    words_of,
)

ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+", re.IGNORECASE)
RUN = 8
"""Words in a row that two texts do not share by chance."""
_COPIED_PART = 0.6
_CLAIMS_SHOWN = 30
_FIGURES = re.compile(
    r"\d[\d.,]*\s?(?:%|‰|percent\b|per cent\b|prozent\b|pour cent\b|por ciento\b|por cento\b|procent\b|per cento\b)"
    r"|[€$£¥]\s?\d[\d.,]*|\d[\d.,]*\s?(?:[€$£¥]|(?:euros?|dollars?|pounds?|usd|eur|gbp|zł|kr|million|billion)\b)"
    r"|\b\d{1,3}(?:[.,\u00a0\u202f]\d{3})+\b|\b\d{5,}\b",
    re.IGNORECASE,
)
_QUOTES = re.compile(r"“([^“”]{15,})”|„([^„“”]{15,})[“”]|«([^«»]{15,})»|\"([^\"]{15,})\"|「([^「」]{8,})」")
_FEWEST_WORDS_QUOTED = 4


def check_links(draft: Draft, facts: CheckFacts) -> ArticleFinding:
    allowed = {plain_address(link, facts.site_url) for link in (*facts.links, facts.site_url) if link}
    written = [
        match.group(0).rstrip(".,;:!?") for text in draft.all_texts for match in ADDRESS.finditer(text)
    ]
    links = dict.fromkeys(link for link in (*draft.text.links, *written) if not link.startswith("#"))
    unknown = tuple(link for link in links if plain_address(link, facts.site_url) not in allowed)
    if not unknown:
        return ArticleFinding("links", 0, f"{len(links)} links, all to known pages." if links else "No link.")
    message = (
        f"{len(unknown)} of {len(links)} links {'leads' if len(unknown) == 1 else 'lead'} to pages that were not "
        "given: check that they exist."
    )
    return ArticleFinding("links", min(10 + 5 * len(unknown), 25), message, unknown)


def plain_address(link: str, site_url: str) -> str:
    """The address without what does not distinguish pages."""
    link = f"https://{link}" if link.casefold().startswith("www.") else link
    try:
        parts = urlsplit(urljoin(site_url or "https://site.invalid/", link))
    except ValueError:
        return link
    if parts.scheme not in ("http", "https"):
        return link.casefold()
    path = f"{parts.netloc.casefold().removeprefix('www.')}{parts.path.rstrip('/')}"
    return f"{path}?{parts.query}" if parts.query else path


def addresses_in(texts: Iterable[str]) -> list[str]:
    """The addresses written in these texts."""
    return [match.group(0).rstrip(".,;:!?") for text in texts for match in ADDRESS.finditer(text)]


def check_copied(draft: Draft, facts: CheckFacts) -> ArticleFinding:
    runs = _runs_of_sentences(draft, facts)
    wanted = frozenset[tuple[str, ...]]().union(*runs.values())
    found: dict[str, str] = {}
    for title, html in facts.pages if wanted else ():
        shared = wanted & set(runs_of_words(ArticleText.of(html).words, RUN))
        for sentence, own in runs.items() if shared else ():
            if len(own & shared) >= _COPIED_PART * len(own):
                found.setdefault(sentence, title)
    if not found:
        return ArticleFinding("copied", 0, "No sentence stands on another page of the site.")
    titles = list(dict.fromkeys(found.values()))
    more = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
    count = f"{len(found)} sentence stands" if len(found) == 1 else f"{len(found)} sentences stand"
    message = f"{count} on another page of the site too: “{titles[0]}”{more}."
    return ArticleFinding("copied", min(10 + 5 * len(found), 40), message, tuple(found))


def _runs_of_sentences(draft: Draft, facts: CheckFacts) -> dict[str, frozenset[tuple[str, ...]]]:
    """Sentence -> its runs of words; shorter sentences, and those that were given, may stand anywhere."""
    given = {tuple(words_of(text)) for long in facts.given for text in sentences_of(long)}
    runs = {
        text: frozenset(runs_of_words(words_of(text), RUN))
        for text in draft.text.sentences
        if tuple(words_of(text)) not in given
    }
    return {text: own for text, own in runs.items() if own}


def check_claims(draft: Draft, facts: CheckFacts) -> ArticleFinding:
    """Figures and quotes that stand in none of the given texts: a person must check them."""
    given = " ".join(facts.given)
    numbers, plain = {_digits(match) for match in re.findall(r"\d[\d.,]*", given)}, _plain(given)
    doubtful = [
        sentence
        for sentence in dict.fromkeys(draft.text.sentences)
        if any(_digits(match.group(0)) not in numbers for match in _FIGURES.finditer(sentence))
        or any(_plain(quote) not in plain for quote in _quoted(sentence))
    ]
    if not doubtful:
        return ArticleFinding("claims", 0, "No figure and no quote that was not given.")
    message = (
        f"{len(doubtful)} {'sentence has' if len(doubtful) == 1 else 'sentences have'} figures or quotes that nobody "
        "gave: check this."
    )
    return ArticleFinding("claims", min(2 * len(doubtful), 6), message, tuple(doubtful[:_CLAIMS_SHOWN]))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _plain(text: str) -> str:
    return " ".join(words_of(text))


def _quoted(sentence: str) -> list[str]:
    found = ("".join(parts) for parts in _QUOTES.findall(sentence))
    return [text for text in found if len(words_of(text)) >= _FEWEST_WORDS_QUOTED]
