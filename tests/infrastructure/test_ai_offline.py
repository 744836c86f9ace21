"""The offline provider: deterministic answers that are useful by themselves."""

from typing import Any

import pytest

from app.business.language_model import Prompt
from app.business.planner.services.ideas_service import IdeaDrafts
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


def ideas(**changes: Any) -> list[dict[str, str]]:
    facts = {
        "count": 5, "main_keyword": "garden shed", "main_intent": None, "language": "en", "site": "S",
        "keywords": KEYWORDS, "titles_already_there": [],
    }  # fmt: skip
    completion = OfflineModel().write(Prompt("ideas", facts | changes, IdeaDrafts, ""), "k")
    assert completion.offline
    return completion.data["ideas"]  # type: ignore[no-any-return]


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
    assert found[0]["description"] == "taller mecánico, cambio de aceite"


def test_other_languages_have_questions_and_instructions() -> None:
    keywords = [
        {"text": text, "volume": 1, "intent": None}
        for text in ("wie baut man ein gartenhaus", "was ist ein gartenhaus", "gartenhaus oder garage")
    ]
    found = ideas(language="de", main_keyword="gartenhaus", keywords=keywords)
    assert [(idea["content_type"], idea["title"]) for idea in found] == [
        ("article", "Gartenhaus"),
        ("how_to", "Wie baut man ein gartenhaus?"),
        ("questions", "Was ist ein gartenhaus?"),
        ("comparison", "Gartenhaus oder garage"),
    ]


def test_the_wording_of_a_search_is_classified() -> None:
    assert is_question("how long does it last")
    assert not is_question("howard hughes")
    assert rivals("tea vs coffee") == ("tea", "coffee")
    assert as_title("is tea healthy") == "Is tea healthy?"
    assert and_list(["a", "b", "c"]) == "a, b and c"
