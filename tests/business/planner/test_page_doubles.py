"""Which searches are one need: refused are pages that would compete, and no others."""

from collections.abc import Sequence

import pytest

from app.business.planner.services.page_doubles import SitePage, SitePages
from app.business.planner.services.search_words import LANGUAGES
from app.business.planner.services.text_likeness import TextLikeness

likeness = TextLikeness()
GUIDE = {
    "en": ": the complete guide",
    "de": ": der große Ratgeber",
    "es": ": guía completa",
    "pl": ": kompletny poradnik",
}

APART = """
    en: coloured nike socks | grey nike socks
    en: black nike socks | white nike socks
    en: mens ankle socks | womens ankle socks
    en: night sweats in men | night sweats in women
    en: cheap running shoes | expensive running shoes
    en: wool socks | cotton socks
    en: toddler socks | baby socks
    en: menopause hair loss | menopause hair growth
    en: compression socks for flying | compression socks for running
    en: vitamin d for menopause | vitamin b for menopause
    en: iphone 15 case | iphone 16 case
    en: black tennis socks | black football socks
    de: schwarze nike socken | weiße nike socken
    de: laufschuhe für damen | laufschuhe für herren
    de: esstisch aus eiche | esstisch aus buche
    de: e-bike akku | e-bike motor
    es: calcetines negros nike | calcetines blancos nike
    es: taller de coches madrid | taller de coches barcelona
    es: zapatillas de hombre | zapatillas de mujer
    es: cambio de aceite | cambio de frenos
    pl: czarne skarpety nike | białe skarpety nike
    pl: skarpety dla kobiet | skarpety dla mężczyzn
    pl: ładowarka do telefonu | bateria do telefonu
    fr: chaussettes noires nike | chaussettes blanches nike
    fr: chaussures pour homme | chaussures pour femme
    it: scarpe da uomo | scarpe da donna
    pt: sapatos pretos | sapatos brancos
    nl: zwarte sokken | witte sokken
    ja: メンズ 靴下 | レディース 靴下
"""
ONE_NEED = """
    en: grey nike socks | gray nike socks
    en: coloured nike socks | colored nike socks
    en: womens socks | socks for women
    en: menopause hair loss | hair loss during menopause
    en: menopause joint pain relief | menopause joint ache relief
    en: buy running shoes online | purchase running shoes online
    en: cheap running shoes | affordable running shoes
    en: christmas socks | xmas socks
    en: wool socks | woolen socks
    en: does menopause cause gas | can menopause cause gas
    de: wechseljahre haarausfall | haarausfall in den wechseljahren
    de: günstige laufschuhe | billige laufschuhe
    de: laufschuhe für damen | laufschuhe frauen
    es: zapatillas baratas | zapatillas económicas
    es: zapatillas de mujer | zapatillas mujeres
    pl: tanie telefony samsung | telefony samsung niedrogie
    pl: etui na telefon | telefon etui
    fr: chaussures pour femme | chaussures femmes
"""


def _pairs(table: str) -> list[tuple[str, str, str]]:
    found = []
    for line in table.strip().splitlines():
        language, _, searches = line.strip().partition(": ")
        first, second = searches.split(" | ")
        found += [(language, first, second), (language, second, first)]
    return found


def _competes(language: str, search: str, other: str) -> bool:
    guide = GUIDE.get(language, "")
    pages = SitePages.of([SitePage("idea", 1, other + guide, other)], language, likeness)
    return pages.competitor(SitePage("idea", 0, search + guide, search)) is not None


@pytest.mark.parametrize(("language", "search", "other"), _pairs(APART))
def test_other_needs_are_pages_of_their_own(language: str, search: str, other: str) -> None:
    assert not _competes(language, search, other)


@pytest.mark.parametrize(("language", "search", "other"), _pairs(ONE_NEED))
def test_one_need_is_one_page(language: str, search: str, other: str) -> None:
    assert _competes(language, search, other)


def test_every_language_has_words_that_tell_searches_apart() -> None:
    assert {language for language, *_ in _pairs(APART)} == set(LANGUAGES)


def named_first(pages: list[SitePage]) -> str:
    found = SitePages.of(pages, "en", likeness).competitor(
        SitePage("idea", 0, "All on wool socks", "wool socks")
    )
    assert found
    return found.title


def test_of_several_pages_the_first_idea_is_named_whenever_it_came() -> None:
    written = SitePage("content", 1, "Our wool socks", "wool socks")
    ideas = [SitePage("idea", number, f"Wool socks {number}", "wool socks") for number in (1, 2)]
    assert named_first([written, *ideas]) == named_first([*ideas, written]) == "Wool socks 1"


@pytest.mark.parametrize(
    ("title", "competes"), [("Wool socks: the complete guide", False), ("All you need to know", True)]
)
def test_titles_count_where_one_does_not_say_its_search(title: str, competes: bool) -> None:
    def by_titles(texts: Sequence[str], others: Sequence[str], _language: str) -> list[list[float]]:
        """Searches are alike by a half, titles wholly."""
        return [[0.5 if other == "wool socks" else 1.0 for other in others] for _ in texts]

    pages = SitePages.of([SitePage("idea", 1, title, "wool socks")], "en", by_titles)
    new = SitePage("idea", 0, "Socks for wool lovers: the complete guide", "socks for wool lovers")
    assert (pages.competitor(new) is not None) is competes
