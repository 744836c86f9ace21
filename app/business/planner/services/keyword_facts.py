"""The columns of a keyword that grouping reads."""

from sqlalchemy import func

from app.business.planner.models import Keyword

FACTS = (
    Keyword.id,
    Keyword.text,
    func.coalesce(Keyword.volume, 0),
    Keyword.intent,
    func.coalesce(Keyword.impressions, 0),
    func.coalesce(Keyword.clicks, 0),
    Keyword.parent_keyword,
)
"""In the order of `KeywordFacts`."""
