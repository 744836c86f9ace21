"""The offline provider: deterministic answers that are useful by themselves."""

from typing import Any

import pytest

from app.business.language_model import Prompt
from app.business.planner.services.ideas_service import IdeaDrafts
from app.business.writer.services.content_service import (
    ContentAnswer,
    ContentGenerationService,
    ContentRequest,
)
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.ai.search_phrases import and_list, as_title, is_question, rivals

KEYWORDS = [
    {"text": text, "volume": 100, "intent": None}
    for text in (
        "garden shed",
        "garden shed vs garage",
        "how to build a garden shed",
        "what is a garden shed",
    )
]

LONG = "A very long title about garden sheds and all the things one keeps in them"


def ideas(**changes: Any) -> list[dict[str, str]]:
    facts = {
        "count": 5, "main_keyword": "garden shed", "main_intent": None, "language": "en", "site": "S",
        "keywords": KEYWORDS, "titles_already_there": [],
    }  # fmt: skip
    completion = OfflineModel().write(Prompt("ideas", facts | changes, IdeaDrafts, ""), "k")
    assert completion.offline
    return completion.data["ideas"]  # type: ignore[no-any-return]


def article(**changes: Any) -> ContentAnswer:
    values = {
        "task_id": 1, "title": "Garden sheds", "brief": "For beginners.", "content_type": "guide",
        "main_keyword": "garden shed", "word_count": 500, "site": "S", "language": "en", "keywords": KEYWORDS,
        "connection": None,
    }  # fmt: skip
    return ContentGenerationService(OfflineModel()).generate(ContentRequest(**values | changes), "k")


def test_each_idea_has_a_different_angle() -> None:
    assert [(idea["content_type"], idea["title"]) for idea in ideas()] == [
        ("guide", "Garden shed: the complete guide"),
        ("how_to", "How to build a garden shed: a step-by-step guide"),
        ("comparison", "Garden shed vs garage: which one suits you?"),
        ("questions", "What is a garden shed?"),
        ("questions", "Garden shed: your questions answered"),
    ]


def test_buyers_get_comparisons_and_prices() -> None:
    titles = [idea["title"] for idea in ideas(main_intent="transactional", keywords=[], count=4)]
    assert "Garden shed: what it costs and what you get" in titles
    assert "Garden shed compared: how to choose" in titles


@pytest.mark.parametrize("count", range(1, 11))
def test_as_many_different_ideas_as_requested(count: int) -> None:
    titles = [
        idea["title"] for idea in ideas(count=count, titles_already_there=["Garden shed: 7 things to know"])
    ]
    assert len(set(titles)) == count
    assert "Garden shed: 7 things to know" not in titles


def test_other_languages_get_their_own_searches_as_titles() -> None:
    keywords = [
        {"text": text, "volume": 1, "intent": None} for text in ("taller mecánico", "cambio de aceite")
    ]
    found = ideas(language="es", main_keyword="taller mecánico", keywords=keywords)
    assert [idea["title"] for idea in found] == ["Taller mecánico", "Cambio de aceite"]


@pytest.mark.parametrize("words", [100, 300, 500, 1000])
def test_an_outline_has_about_the_length_asked_for(words: int) -> None:
    assert 0.7 * words <= article(word_count=words).word_count <= 1.6 * words


def test_an_outline_has_sections_questions_and_short_meta_texts() -> None:
    outline = article(word_count=1000, title=LONG)
    assert outline.outline
    assert "<h2>Questions and answers</h2>" in outline.html
    assert "<h3>What is a garden shed?</h3>" in outline.html
    assert "searched about 400 times a month" in outline.html
    assert len(outline.meta_title) <= 60
    assert 0 < len(outline.meta_description) <= 155
    assert outline == article(word_count=1000, title=LONG)


def test_keywords_with_markup_stay_text() -> None:
    nasty = "<img src=x onerror=alert(1)> [a](javascript:b) **bold** {0}"
    html = article(main_keyword=nasty, keywords=[], title=nasty).html
    assert "<img" not in html
    assert "javascript:b)" in html
    assert "<a" not in html


def test_the_wording_of_a_search_is_classified() -> None:
    assert is_question("how long does it last")
    assert not is_question("howard hughes")
    assert rivals("tea vs coffee") == ("tea", "coffee")
    assert as_title("is tea healthy") == "Is tea healthy?"
    assert and_list(["a", "b", "c"]) == "a, b and c"
