"""Which column of a sheet is which field: the header line, the names tools use, and corrections by hand."""

import re
from collections.abc import Mapping, Sequence

from app.business.errors import Invalid
from app.business.folding import fold

PREAMBLE_LIMIT = 30
"""Lines searched for the header (Keyword Planner writes two above it)."""

ALIASES: dict[str, tuple[str, ...]] = {
    "keyword": (
        "keyword", "keywords", "top queries", "top query", "query", "queries", "search query",
        "search queries", "search term", "search terms", "search keyword", "key phrase", "keyphrase",
        "phrase", "term", "text",
        "mot clé", "mots clés", "requêtes les plus fréquentes", "suchbegriff", "häufigste suchanfragen",
        "palabra clave", "consultas principales", "słowo kluczowe", "najczęstsze zapytania", "parola chiave",
    ),
    "volume": (
        "volume", "search volume", "avg monthly searches", "average monthly searches", "monthly searches",
        "monthly volume", "monthly search volume", "avg monthly search volume", "local volume", "searches",
        "volume us", "volume uk", "sv", "msv", "suchvolumen", "volume de recherche", "volumen de búsqueda",
    ),
    "difficulty": (
        "difficulty", "keyword difficulty", "kd", "keyword difficulty index", "kd index", "seo difficulty",
        "organic difficulty",
    ),
    "cpc": ("cpc", "avg cpc", "average cpc", "cost per click", "suggested bid"),
    "intent": ("intent", "intents", "search intent", "search intents", "keyword intent", "keyword intents",
               "user intent", "main intent", "l2 intent"),
    "country": ("country", "country code", "database", "land", "pays", "país", "kraj"),
    "language": ("language", "language code", "lang", "sprache", "langue", "idioma", "język"),
    "position": ("position", "avg position", "average position", "current position", "posición", "pozycja",
                 "organic average position"),
    "clicks": ("clicks", "organic clicks", "klicks", "clics", "kliknięcia"),
    "impressions": ("impressions", "organic impressions", "impr", "impressionen", "impresiones",
                    "wyświetlenia"),
    "url": ("url", "landing page", "current url", "ranking url", "top page", "page", "seite", "página"),
    "sector": ("sector", "topic area", "topic sector"),
    "site": ("site", "website"),
}  # fmt: skip
"""Field -> names that tools and people give its column, best first, in the form of `_plain_name`."""

FIELDS = tuple(ALIASES)

# Search Console's comparison has each metric twice: "Last 28 days Clicks", "Previous 28 days Clicks".
_COMPARED = ("clicks", "impressions", "position")
_OLD_PERIOD = ("previous", "prior", "same period", "compared", "year over year", "difference")
_PERIOD = re.compile(r"^(last|past|current|this|recent|\d)")
_CURRENCY = re.compile(r" (usd|eur|gbp|pln|cad|aud|chf|sek|nok|dkk|jpy|inr|brl|mxn)$")


def find_header(lines: Sequence[Sequence[str]], chosen: Mapping[str, str]) -> int | None:
    """Index of the line that names the columns (that holds the chosen keyword header), or None."""
    wanted = chosen.get("keyword")
    for index, cells in enumerate(lines[:PREAMBLE_LIMIT]):
        names = [cell.strip() for cell in cells]
        if wanted in names if wanted else _column_of("keyword", names) is not None:
            return index
    return None


def recognise(headers: Sequence[str]) -> dict[str, int]:
    """Field -> column number, for every field that a header names."""
    found = {field: _column_of(field, headers) for field in FIELDS}
    return {field: column for field, column in found.items() if column is not None}


def choose(headers: Sequence[str], chosen: Mapping[str, str]) -> dict[str, int]:
    """What `recognise` found, corrected by hand: field -> header, or "" for "in no column".

    Raises Invalid({"columns.<field>": …}) for a field or header that is not there.
    """
    columns = recognise(headers)
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
    names = [_plain_name(header) for header in headers]
    for alias in ALIASES[field]:
        if alias in names:
            return names.index(alias)
    if field in _COMPARED:
        return next((index for index, name in enumerate(names) if _is_recent(name, field)), None)
    return None


def _is_recent(name: str, field: str) -> bool:
    return name.endswith(f" {field}") and _PERIOD.match(name) is not None and not name.startswith(_OLD_PERIOD)


def _plain_name(header: str) -> str:
    """A header without case, marks and currency: `CPC (USD)` -> `cpc`, `L2_Intent` -> `l2 intent`."""
    text = fold(header)
    words = re.sub(r"[\W_]+", " ", text).strip()
    return _CURRENCY.sub("", words)
