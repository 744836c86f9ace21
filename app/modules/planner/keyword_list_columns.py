"""The columns of the keyword list: which there are, and which this browser shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request
from flask import session as cookie

from app.business.planner.models import Keyword
from app.modules.display import number

NOTHING = "–"
PARAMETER = "columns"


@dataclass(frozen=True)
class Column:
    """One column: its head, the text of a row, and whether it is a figure."""

    label: str
    text: Callable[[Keyword], str]
    is_figure: bool = False


def _figure(name: str) -> Callable[[Keyword], str]:
    return lambda row: number(getattr(row, name))


def _word(name: str) -> Callable[[Keyword], str]:
    return lambda row: getattr(row, name) or NOTHING


def _several(name: str) -> Callable[[Keyword], str]:
    def joined(row: Keyword) -> str:
        values: Sequence[Any] = getattr(row, name)
        return ", ".join(map(str, values)) or NOTHING

    return joined


COLUMNS: Mapping[str, Column] = {
    "volume": Column("Volume", _figure("volume"), is_figure=True),
    "difficulty": Column("Difficulty", _figure("difficulty"), is_figure=True),
    "cpc": Column("CPC", _figure("cpc"), is_figure=True),
    "clicks": Column("Clicks", _figure("clicks"), is_figure=True),
    "impressions": Column("Impressions", _figure("impressions"), is_figure=True),
    "position": Column("Position", _figure("position"), is_figure=True),
    "traffic_potential": Column("Traffic potential", _figure("traffic_potential"), is_figure=True),
    "intent": Column("Intent", lambda row: (row.intent or NOTHING).capitalize()),
    "intents": Column("All intents", _several("intents")),
    "parent_keyword": Column("Parent keyword", _word("parent_keyword")),
    "serp_features": Column("SERP features", _several("serp_features")),
    "match_type": Column("Match type", _word("match_type")),
    "country": Column("Country", _word("country")),
    "language": Column("Language", _word("language")),
    "url": Column("Page that ranks", _word("url")),
}
USUAL = ("volume", "difficulty", "intent")


def chosen_columns() -> dict[str, Column]:
    """Those that the address names, which this browser then keeps; else those kept, else the usual ones."""
    if PARAMETER in request.args:
        cookie[PARAMETER] = [name for name in request.args.getlist(PARAMETER) if name in COLUMNS]
    kept = cookie.get(PARAMETER, USUAL)
    return {name: column for name, column in COLUMNS.items() if name in kept}
