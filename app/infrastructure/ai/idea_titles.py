"""Titles of planned pages around a search, in each language that briefs are written in."""

from typing import Literal, NamedTuple

from app.business.planner.services.search_phrases import as_subject, as_title
from app.business.planner.services.search_stems import stems_of
from app.business.planner.services.search_words import base_language

Angle = Literal["guide", "choice", "cost"]


class _Titles(NamedTuple):
    """guide: for readers who want to know · choice: for those who compare · cost: for those about to buy."""

    guide: str
    choice: str
    cost: str


_TITLES = {
    "en": _Titles("{}: the complete guide", "{}: how to choose", "{}: what it costs and what you get"),
    "de": _Titles(
        "{}: der große Ratgeber", "{}: worauf es bei der Wahl ankommt", "{}: Kosten und Leistungen"
    ),
    "fr": _Titles("{} : le guide complet", "{} : comment bien choisir", "{} : prix et prestations"),
    "es": _Titles("{}: guía completa", "{}: cómo elegir bien", "{}: precios y qué incluyen"),
    "it": _Titles("{}: guida completa", "{}: come scegliere bene", "{}: prezzi e cosa comprendono"),
    "pt": _Titles("{}: guia completo", "{}: como escolher bem", "{}: preços e o que incluem"),
    "nl": _Titles("{}: de complete gids", "{}: waar je bij de keuze op let", "{}: kosten en wat je krijgt"),
    "pl": _Titles("{}: kompletny przewodnik", "{}: jak dobrze wybrać", "{}: ceny i co obejmują"),
    "ja": _Titles("{}の完全ガイド", "{}の選び方", "{}の費用と内訳"),
}


def page_title(phrase: str, angle: Angle, language: str) -> str:
    """The search with what the page gives; alone where it says that itself, or in a language without patterns."""
    titles = _TITLES.get(base_language(language))
    alone = as_title(phrase, language)
    if titles is None:
        return alone
    pattern: str = getattr(titles, angle)
    if stems_of(phrase, language) & stems_of(pattern.replace("{}", " "), language):
        return alone
    return pattern.format(as_subject(as_title(phrase, language)))
