"""The offline provider: deterministic answers that are useful by themselves."""

from typing import Any

import pytest

from app.business.language_model import Prompt
from app.business.planner.services.ideas_service import IdeaDrafts
from app.business.planner.services.search_phrases import and_list, as_title, is_question, rivals
from app.business.planner.services.search_words import LANGUAGES
from app.infrastructure.ai.offline import OfflineModel

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


def test_one_page_for_the_need_and_one_for_each_search_of_its_own_kind() -> None:
    assert [(idea["content_type"], idea["title"]) for idea in ideas()] == [
        ("guide", "Garden shed: the complete guide"),
        ("how_to", "How to build a garden shed: a step-by-step guide"),
        ("comparison", "Garden shed vs garage: which one suits you?"),
    ]


def test_the_most_searched_of_each_kind_comes_first_and_spellings_come_once() -> None:
    texts = (
        "does menopause cause gas", "can menopause cause gas", "how to stop menopause gas", "menopause gas or ibs",
        "how long does menopause gas last", "how to treat menopause gas",
    )  # fmt: skip
    keywords = [{"text": text, "volume": 10, "intent": None} for text in texts]
    assert [idea["main_keyword"] for idea in ideas(main_keyword="menopause gas", keywords=keywords)] == [
        "menopause gas",
        "how to stop menopause gas",
        "menopause gas or ibs",
        "does menopause cause gas",
        "how to treat menopause gas",
        "how long does menopause gas last",
    ]


@pytest.mark.parametrize(
    ("main", "intent", "title"),
    [
        ("garden shed", "transactional", "Garden shed: what it costs and what you get"),
        ("buy garden shed", None, "Buy garden shed: what it costs and what you get"),
        ("best garden sheds", None, "Best garden sheds: how to choose"),
        ("garden shed", "commercial", "Garden shed: how to choose"),
        ("guide to garden sheds", None, "Guide to garden sheds"),
        ("what is a garden shed", "commercial", "What is a garden shed?"),
    ],
)
def test_the_page_of_a_cluster_is_for_what_its_searchers_want(
    main: str, intent: str | None, title: str
) -> None:
    assert [idea["title"] for idea in ideas(main_keyword=main, main_intent=intent, keywords=[])] == [title]


@pytest.mark.parametrize("language", LANGUAGES)
def test_titles_are_in_the_language_of_the_site(language: str) -> None:
    titles = {
        ideas(language=language, main_keyword="xyz", main_intent=intent, keywords=[])[0]["title"]
        for intent in (None, "commercial", "transactional")
    }
    assert len(titles) == 3
    assert all(title.startswith("Xyz") and title != "Xyz" for title in titles)
    assert language == "en" or not {"the", "how", "what", "and"} & set(" ".join(titles).lower().split())


def test_languages_without_patterns_use_the_searches_themselves() -> None:
    keywords = [
        {"text": text, "volume": 1, "intent": None} for text in ("bilverkstad", "vad kostar ett oljebyte?")
    ]
    found = ideas(language="sv", main_keyword="bilverkstad", keywords=keywords)
    assert [idea["title"] for idea in found] == ["Bilverkstad", "Vad kostar ett oljebyte?"]
    assert found[0]["description"] == "bilverkstad, vad kostar ett oljebyte?"


def test_other_languages_have_questions_and_instructions() -> None:
    keywords = [
        {"text": text, "volume": 1, "intent": None}
        for text in ("wie baut man ein gartenhaus", "wann lohnt ein gartenhaus", "gartenhaus oder garage")
    ]
    found = ideas(language="de", main_keyword="gartenhaus", keywords=keywords)
    assert [(idea["content_type"], idea["title"]) for idea in found] == [
        ("guide", "Gartenhaus: der große Ratgeber"),
        ("how_to", "Wie baut man ein gartenhaus?"),
        ("comparison", "Gartenhaus oder garage"),
        ("questions", "Wann lohnt ein gartenhaus?"),
    ]


def test_the_wording_of_a_search_is_classified() -> None:
    assert is_question("how long does it last")
    assert not is_question("howard hughes")
    assert rivals("tea vs coffee") == ("tea", "coffee")
    assert as_title("is tea healthy") == "Is tea healthy?"
    assert and_list(["a", "b", "c"]) == "a, b and c"
