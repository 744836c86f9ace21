"""The words of a brief, in each language that it is written in: labels and fragments, no sentences."""

from functools import cache
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from app.business.planner.services.search_words import base_language

ASPECTS = {
    "article": ("overview", "basics", "examples", "mistakes", "summary"),
    "guide": ("basics", "criteria", "steps", "cost", "mistakes"),
    "how_to": ("preparation", "steps", "mistakes", "check", "tips"),
    "list": ("criteria", "examples", "tips", "alternatives", "summary"),
    "comparison": ("features", "pros_cons", "cost", "audience", "verdict"),
    "questions": ("basics", "examples", "cost", "mistakes", "summary"),
    "review": ("features", "usage", "pros_cons", "cost", "verdict"),
    "landing_page": ("benefits", "offer", "process", "references", "next_step"),
}
"""What each kind of page covers, in this order."""


class Aspect(BaseModel):
    """The heading of a section, and what the section must answer."""

    heading: str
    answer: str


class Labels(BaseModel):
    """One language's words. `price`, `figure`, `proof`: what to find out."""

    kind: str
    length: str
    words: str
    main_keyword: str
    intent: str
    monthly: str
    in_cluster: str
    answer: str
    searches: str
    questions: str
    keywords: str
    variants: str
    pages: str
    link_text: str
    facts: str
    titles: str
    price: str
    figure: str
    proof: str
    more: str
    colon: str
    comma: str
    kinds: dict[str, str]
    intents: dict[str, str]
    aspects: dict[str, Aspect]


def labels_of(language: str) -> Labels | None:
    """The words of that language; None where there are none, so that its briefs are made of the searches alone."""
    return _all().get(base_language(language))


@cache
def _all() -> dict[str, Labels]:
    file = Path(__file__).with_name("brief_labels.json")
    return TypeAdapter(dict[str, Labels]).validate_json(file.read_bytes())
