"""Public holidays by country and region, from the `holidays` library.

The library is imported when a calendar first names a country: it takes a while, and most processes never need it.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from typing import Any

from app.business.errors import Invalid

ENGLISH = ("en_US", "en_GB", "en_IN")
SMALL_WORDS = {"And", "Of", "The"}


@cache
def countries() -> dict[str, str]:
    """ISO code -> English name, sorted by name."""
    from holidays.registry import COUNTRIES

    named = {codes[1]: _in_words(name) for name, codes in COUNTRIES.items()}
    return dict(sorted(named.items(), key=lambda item: item[1]))


@lru_cache(maxsize=256)
def regions(country: str) -> dict[str, str]:
    """The regions of a country that have holidays of their own: code -> name, or the code again."""
    model = _of(country, None, None)
    names = {code: name for name, code in model.subdivisions_aliases.items()}
    return {code: names.get(code, code) for code in model.subdivisions}


@lru_cache(maxsize=1024)
def holidays_of(country: str, region: str | None, year: int) -> Mapping[date, str]:
    """The public holidays of a year with their names, in English where the library has them."""
    return dict(_of(country, region, year).items())


def checked_country(code: str) -> str:
    """The code in capitals. Raises Invalid for `country`."""
    if code.upper() in countries():
        return code.upper()
    sentence = f"There are no public holidays for '{code}'. Write a country's two letters, such as DE or US."
    raise Invalid({"country": [sentence]})


def checked_region(country: str, text: str) -> str:
    """The code of a region given by its code or its name. Raises Invalid for `region`."""
    known = regions(country)
    for code, name in known.items():
        if text.casefold() in (code.casefold(), name.casefold()):
            return code
    place = countries()[country]
    if not known:
        raise Invalid({"region": [f"{place} has no regions with holidays of their own. Leave it empty."]})
    named = ", ".join(name if name == code else f"{name} ({code})" for code, name in known.items())
    raise Invalid({"region": [f"{place} has no region '{text}'. Choose one of: {named}."]})


def _of(country: str, region: str | None, year: int | None) -> Any:
    from holidays import country_holidays

    model = country_holidays(country)
    language = next((one for one in ENGLISH if one in model.supported_languages), None)
    return country_holidays(country, subdiv=region, years=year, language=language)


def _in_words(name: str) -> str:
    words = (word.capitalize() for word in name.split("_"))
    first, *rest = words
    return " ".join([first, *(word.lower() if word in SMALL_WORDS else word for word in rest)])
