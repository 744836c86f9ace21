"""Which column of a sheet is which field: by the names tools and people use, and corrections by hand."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from app.business.errors import Invalid
from app.business.folding import fold
from app.business.planner.services.keyword_headers import ALIASES, INTENT_COLUMNS

PREAMBLE_LIMIT = 30
"""Lines searched for the header (Keyword Planner writes two above it)."""

FIELDS = tuple(ALIASES)

# Search Console's comparison has each metric twice: "Last 28 days Clicks", "Previous 28 days Clicks".
_COMPARED = ("clicks", "impressions", "position")
_OLD_PERIOD = ("previous", "prior", "same period", "compared", "year over year", "difference")
_PERIOD = re.compile(r"^(last|past|current|this|recent|\d)")
_CURRENCY = re.compile(r" (usd|eur|gbp|pln|cad|aud|chf|sek|nok|dkk|jpy|inr|brl|mxn)$")
_BRACKETS = re.compile(r"[(\[（][^)\]）]*[)\]）]")
# "Volume (Global)" and "Traffic (%)" are not the figure of the site's market.
_OTHER_FIGURE = re.compile(r"global|prev|trend|change|diff|range|indexed|%", re.IGNORECASE)


@lru_cache(maxsize=4096)
def plain_name(header: str) -> str:
    """A header without case, accents, marks and currency: `CPC (USD)` -> `cpc`, `L2_Intent` -> `l2 intent`."""
    text = fold(header)
    if not text.isascii():
        text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    words = re.sub(r"[\W_]+", " ", text).strip()
    return _CURRENCY.sub("", words)


_PLACES = {field: {plain_name(alias): place for place, alias in reversed([*enumerate(names)])}
           for field, names in ALIASES.items()}  # fmt: skip
_INTENTS = {plain_name(name): intent for intent, names in INTENT_COLUMNS.items() for name in names}


def recognise(headers: Sequence[str]) -> dict[str, int]:
    """Field -> column number, for every field that a header names."""
    found = {field: _column_of(field, headers) for field in FIELDS}
    return {field: column for field, column in found.items() if column is not None}


def intent_columns(headers: Sequence[str]) -> dict[int, str]:
    """Columns that say yes or no to one intent each; a single one is no such table."""
    found = {
        column: _INTENTS[name]
        for column, name in enumerate(map(plain_name, headers))
        if name in _INTENTS
    }  # fmt: skip
    return found if len(found) > 1 else {}


def correct(headers: Sequence[str], places: Mapping[str, int], chosen: Mapping[str, str]) -> dict[str, int]:
    """`places` corrected by hand: field -> header, or "" for "in no column".

    Raises Invalid({"columns.<field>": …}) for a field or header that is not there.
    """
    columns = dict(places)
    for field, header in chosen.items():
        path = f"columns.{field}"
        if field not in ALIASES:
            raise Invalid({path: [f"Unknown field “{field}”. Possible: {', '.join(FIELDS)}."]})
        if header and header not in headers:
            raise Invalid({path: [f"The file has no column “{header}”. Choose one of its headers."]})
        columns.pop(field, None)
        if header:
            columns[field] = headers.index(header)
    return columns


def _column_of(field: str, headers: Sequence[str]) -> int | None:
    names = [plain_name(header) for header in headers]
    ranks = [_PLACES[field].get(name, len(_PLACES[field])) for name in names]
    best = min(ranks, default=len(_PLACES[field]))
    if best < len(_PLACES[field]):
        return ranks.index(best)
    if field in _COMPARED:
        return next((index for index, name in enumerate(names) if _is_recent(name, field)), None)
    return next((index for index, header in enumerate(headers) if _names_in_brackets(header, field)), None)


def _names_in_brackets(header: str, field: str) -> bool:
    """`Search volume (US)`, `Keyword [42]`: the name with something about it in brackets."""
    shorter = _BRACKETS.sub(" ", header)
    return shorter != header and not _OTHER_FIGURE.search(header) and plain_name(shorter) in _PLACES[field]


def _is_recent(name: str, field: str) -> bool:
    return name.endswith(f" {field}") and _PERIOD.match(name) is not None and not name.startswith(_OLD_PERIOD)
