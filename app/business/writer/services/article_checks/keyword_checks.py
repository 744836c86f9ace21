"""Checks of an article's keywords: covered, and not repeated beyond what reads well."""

from collections import Counter
from collections.abc import Sequence

from app.business.writer.services.article_checks.facts import ArticleFinding, CheckFacts, Draft
from app.business.writer.services.article_checks.languages import FREQUENT, base_of
from app.business.writer.services.article_checks.text import runs_of_words, words_of

KEYWORDS_CHECKED = 10
_MOST_OF_LONG = 0.75
_DENSITY, _DENSITY_OF_ONE_WORD = 0.025, 0.05
_FEWEST_USES, _IN_ONE_SENTENCE = 5, 3
_FEWEST_WORDS_REPEATED = 6


def check_keywords(draft: Draft, facts: CheckFacts) -> ArticleFinding | None:
    main = facts.main_keyword
    wanted = list(dict.fromkeys(filter(None, (main, *facts.keywords))))[:KEYWORDS_CHECKED]
    if not wanted:
        return None
    missing = missing_keywords(draft, facts)
    if not missing:
        return ArticleFinding("keywords", 0, f"Covered: {', '.join(wanted)}.")
    points = min(25, sum(15 if keyword == main else 5 for keyword in missing))
    message = f"Not covered: {len(missing)} of the {len(wanted)} most important keywords."
    if main in missing:
        message = (
            "The main keyword is not covered." if len(missing) == 1 else f"{message} One is the main keyword."
        )
    return ArticleFinding("keywords", points, message, tuple(missing))


def missing_keywords(draft: Draft, facts: CheckFacts) -> list[str]:
    """Those that no sentence of the text speaks of: its words together, in any order and form."""
    wanted = list(dict.fromkeys(filter(None, (facts.main_keyword, *facts.keywords))))[:KEYWORDS_CHECKED]
    sentences = [{_stem(word) for word in words_of(sentence)} for sentence in draft.text.sentences]
    texts = [sentence.casefold() for sentence in draft.text.sentences]
    return [keyword for keyword in wanted if not _is_covered(keyword, sentences, texts, facts.language)]


def _is_covered(keyword: str, sentences: Sequence[set[str]], texts: Sequence[str], language: str) -> bool:
    if any(keyword.casefold() in text for text in texts):
        return True
    stems = {_stem(word) for word in _significant(words_of(keyword), language)}
    needed = len(stems) if len(stems) <= 3 else -(-len(stems) * _MOST_OF_LONG // 1)
    return any(len(stems & sentence) >= needed for sentence in sentences)


def _significant(words: Sequence[str], language: str) -> Sequence[str]:
    frequent = FREQUENT.get(base_of(language), frozenset())
    return [word for word in words if word not in frequent] or words


def _stem(word: str) -> str:
    """What forms of a word share: `tables` and `table`, `walking` and `walks`."""
    return word if len(word) <= 4 else word[: max(4, len(word) - 2)].removesuffix("i").removesuffix("e")


def check_stuffing(draft: Draft, facts: CheckFacts) -> ArticleFinding:
    found: dict[str, str] = {}
    total = max(len(draft.text.words), 1)
    for keyword in dict.fromkeys(filter(None, (facts.main_keyword, *facts.keywords[:KEYWORDS_CHECKED]))):
        words = tuple(words_of(keyword))
        uses = _uses(draft.text.words, words)
        limit = _DENSITY if len(words) > 1 else _DENSITY_OF_ONE_WORD
        if uses >= _FEWEST_USES and uses > limit * total:
            found[keyword] = f"“{keyword}” stands there {uses} times in {total:,} words"
        for sentence in draft.text.sentences if len(words) > 1 else ():
            if _uses(words_of(sentence), words) >= _IN_ONE_SENTENCE:
                found.setdefault(sentence, f"“{keyword}” stands several times in one sentence")
    for sentence, times in _repeated(draft).items():
        found.setdefault(sentence, f"a sentence stands there {times} times")
    if not found:
        return ArticleFinding("stuffing", 0, "No keyword and no sentence is repeated beyond what reads well.")
    message = "; ".join(dict.fromkeys(found.values()))
    points = min(10 + 5 * len(found), 30)
    return ArticleFinding("stuffing", points, f"{message[0].upper()}{message[1:]}.", tuple(found))


def _uses(words: Sequence[str], phrase: tuple[str, ...]) -> int:
    return sum(run == phrase for run in runs_of_words(words, len(phrase))) if phrase else 0


def _repeated(draft: Draft) -> dict[str, int]:
    """Sentences that stand there more than once."""
    long = [text for text in draft.text.sentences if len(words_of(text)) >= _FEWEST_WORDS_REPEATED]
    counted = Counter(tuple(words_of(text)) for text in long)
    return {text: counted[tuple(words_of(text))] for text in long if counted[tuple(words_of(text))] > 1}
