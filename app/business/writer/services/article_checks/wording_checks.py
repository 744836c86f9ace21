"""Checks of an article's wording: gaps, talk of the model, language, words to avoid."""

import re

from app.business.planner.services.language_names import language_name
from app.business.writer.services.article_checks.facts import ArticleFinding, CheckFacts, Draft
from app.business.writer.services.article_checks.languages import other_language
from app.business.writer.services.article_checks.phrases import ai_talk, found, placeholders
from app.business.writer.services.article_checks.text import words_of


def check_placeholder(draft: Draft, _facts: CheckFacts) -> ArticleFinding:
    quotes = _found_in(draft, placeholders())
    if not quotes:
        return ArticleFinding("placeholder", 0, "Nothing is left to be filled in.")
    count = len(quotes)
    message = f"{'A place is' if count == 1 else f'{count} places are'} left to be filled in."
    return ArticleFinding("placeholder", 40, message, quotes)


def check_ai_talk(draft: Draft, _facts: CheckFacts) -> ArticleFinding:
    quotes = _found_in(draft, ai_talk())
    if not quotes:
        return ArticleFinding("ai_talk", 0, "The text does not speak of the AI that wrote it.")
    return ArticleFinding(
        "ai_talk", 40, "The text speaks of the AI that wrote it, or to whoever asked for it.", quotes
    )


def _found_in(draft: Draft, patterns: tuple[re.Pattern[str], ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for text in draft.all_texts for part in found(patterns, text)))


def check_language(draft: Draft, facts: CheckFacts) -> ArticleFinding:
    names, quotes, foreign, total = set[str](), list[str](), 0, 0
    for block in draft.text.blocks:
        words = words_of(block.text)
        weight = max(len(words), len(block.text) // 6)
        total += weight
        if name := other_language(block.text, words, facts.language):
            names.add(language_name(name))
            quotes.append(block.text)
            foreign += weight
    asked = language_name(facts.language.split("-")[0])
    if not quotes:
        return ArticleFinding("language", 0, f"The text is in the language of the site ({asked}).")
    message = f"Text in {' and '.join(sorted(names))} on a site whose language is {asked}."
    return ArticleFinding("language", round(15 + 45 * foreign / max(total, 1)), message, tuple(quotes))


def check_banned_words(draft: Draft, facts: CheckFacts) -> ArticleFinding | None:
    if not facts.avoid:
        return None
    texts = [text.casefold().replace("’", "'") for text in draft.all_texts]
    used = tuple(word for word in facts.avoid if any(_holds(text, word) for text in texts))
    if not used:
        return ArticleFinding("banned_words", 0, "None of the words that the site avoids is used.")
    message = f"{len(used)} of the words that the site avoids {'is' if len(used) == 1 else 'are'} used."
    return ArticleFinding("banned_words", min(5 + 5 * len(used), 25), message, used)


def _holds(text: str, word: str) -> bool:
    plain = re.escape(word.casefold().replace("’", "'"))
    return re.search(rf"(?<!\w){plain}(?!\w)", text) is not None
