"""Reading records: filtered, sorted and paged lists.

Filters and orders come from fixed maps, so no name from an address ever reaches a query.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, joinedload

from app.business.accounts.services.scope import Scope
from app.business.base import AccountOwned
from app.business.errors import Invalid
from app.business.folding import fold
from app.business.paging import Order, Page, sorted_page
from app.business.planner.models import Cluster, Idea, Keyword, Record, Sector, Site
from app.business.sql_functions import position

TEXTS_AT_ONCE = 1_000
ORDER_OF = {"created_at": "newest", "due_on": "due"}
"""The named order of a column whose name differs."""
Row = TypeVar("Row", bound=AccountOwned)
Found = TypeVar("Found")
Filter = Callable[[Any], ColumnElement[bool]]
"""Takes what was chosen for it. Any: a text, a number or several."""
Chosen = Mapping[str, str | int | bool | Sequence[str]]
"""Name of a filter -> what was chosen for it."""


@dataclass(frozen=True)
class RecordList(Generic[Row]):
    """One kind of list: its filters and orders (the first order is the default)."""

    model: type[Row]
    filters: Mapping[str, Filter]
    orders: Mapping[str, Order]
    loads: tuple[InstrumentedAttribute[Any], ...] = field(default=())

    def page(
        self,
        session: Session,
        scope: Scope,
        chosen: Chosen,
        *,
        sort: str | None = None,
        ordering: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Row]:
        """The rows in scope under the filters `chosen`, by a named order or by a column (`-` before it: descending).

        Raises Invalid for a damaged cursor.
        """
        query = self._matching(select(self.model), scope, chosen).options(*map(joinedload, self.loads))
        order = self._by(ordering) if ordering else self.orders[sort or next(iter(self.orders))]
        return sorted_page(session, query, order, self.model.id.expression, cursor=cursor, limit=limit)

    def count(self, session: Session, scope: Scope, chosen: Chosen) -> int:
        """The number of rows under the filters."""
        counted = self._matching(select(func.count(self.model.id)), scope, chosen)
        return session.scalar(counted) or 0

    def _by(self, ordering: str) -> Order:
        column = ordering.removeprefix("-")
        return replace(self.orders[ORDER_OF.get(column, column)], descending=ordering != column)

    def ids(self, session: Session, scope: Scope, chosen: Chosen, most: int) -> list[int]:
        """The ids of all rows under the filters. Raises Invalid where they are more than `most`."""
        key = self.model.id.expression
        found = session.scalars(
            self._matching(select(key), scope, chosen).order_by(key).limit(most + 1)
        ).all()
        if len(found) > most:
            raise Invalid(
                {"all": [f"These are more than {most:,}. Narrow the filter, or tick those you mean."]}
            )
        return list(found)

    def _matching(self, query: Select[Found], scope: Scope, chosen: Chosen) -> Select[Found]:
        wanted = [self.filters[name](value) for name, value in chosen.items()]
        return query.where(scope.sees(self.model), *wanted)


@dataclass(frozen=True)
class ClusterFigures:
    """What a cluster holds now; total_volume: monthly searches of all its keywords."""

    keyword_count: int = 0
    total_volume: int = 0
    idea_count: int = 0


def cluster_figures(session: Session, ids: Sequence[int]) -> dict[int, ClusterFigures]:
    """The figures of these clusters, by id, in two queries."""
    volume = func.coalesce(func.sum(Keyword.volume), 0)
    keywords = select(Keyword.cluster_id, func.count(), volume).where(Keyword.cluster_id.in_(ids))
    ideas = select(Idea.cluster_id, func.count()).where(Idea.cluster_id.in_(ids))
    held = {
        row[0]: (row[1], int(row[2] or 0)) for row in session.execute(keywords.group_by(Keyword.cluster_id))
    }
    thought = {row[0]: row[1] for row in session.execute(ideas.group_by(Idea.cluster_id))}
    return {key: ClusterFigures(*held.get(key, (0, 0)), thought.get(key, 0)) for key in ids}


def neighbours(session: Session, cluster: Cluster, limit: int = 500) -> Sequence[Cluster]:
    """The other clusters of its sector by name: candidates for a merge or a move of keywords."""
    others = select(Cluster).where(Cluster.sector_id == cluster.sector_id, Cluster.id != cluster.id)
    return session.scalars(others.order_by(Cluster.name, Cluster.id).limit(limit)).all()


def places(session: Session, scope: Scope) -> list[tuple[Site, list[Sector]]]:
    """The sites in scope by name, each with its sectors by name."""
    sectors: dict[int, list[Sector]] = {}
    for sector in session.scalars(select(Sector).where(scope.sees(Sector)).order_by(Sector.name, Sector.id)):
        sectors.setdefault(sector.site_id, []).append(sector)
    sites = session.scalars(select(Site).where(scope.sees(Site)).order_by(Site.name, Site.id))
    return [(site, sectors.get(site.id, [])) for site in sites]


def count_known(session: Session, site_id: int, texts: Sequence[str]) -> int:
    """The number of these keywords that the site has already."""
    known = 0
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = set(map(fold, texts[start : start + TEXTS_AT_ONCE]))
        counted = select(func.count(Keyword.id)).where(Keyword.site_id == site_id, Keyword.text_key.in_(some))
        known += session.scalar(counted) or 0
    return known


def record_filters(model: type[Record]) -> dict[str, Filter]:
    """What every record can be filtered by; `status` takes several."""
    return {
        "site": lambda site: model.site_id == site,
        "sector": lambda sector: model.sector_id == sector,
        "status": lambda statuses: model.status.in_(statuses),
        "made_by_run": lambda run: model.made_by_run_id == run,
        "assignee": lambda person: model.assignee_id == person,
    }


def holds(*folded: InstrumentedAttribute[str]) -> Filter:
    """Text found in any of these columns, ignoring case; a text without words matches all."""
    return lambda text: and_(true(), *[_any_of(folded, word) for word in fold(text).split()[:10]])


def newest(model: type[Any]) -> dict[str, Order]:
    """The order of every list: last created first."""
    return {"newest": Order(model.id.expression, lambda row: row.id)}


def alphabetical(column: InstrumentedAttribute[str]) -> Order:
    """By code point, as the database compares text."""
    return Order(column.expression, lambda row: getattr(row, column.key), descending=False)


def _any_of(columns: Sequence[InstrumentedAttribute[str]], word: str) -> ColumnElement[bool]:
    return or_(*(position(column, literal(word)) > 0 for column in columns))


def _figure(column: InstrumentedAttribute[Any]) -> Order:
    return Order(column.expression, lambda row: getattr(row, column.key), nulls="lowest")


def _is_double() -> ColumnElement[bool]:
    """Keywords of one site that existed before they counted as the same."""
    other = aliased(Keyword)
    later = select(other.site_id, other.text_folded).where(other.text_key != other.text_folded)
    return tuple_(Keyword.site_id, Keyword.text_folded).in_(later)


SITES: RecordList[Site] = RecordList(
    Site,
    {"status": lambda statuses: Site.status.in_(statuses), "text": holds(Site.name_folded, Site.url_folded)},
    newest(Site) | {"name": alphabetical(Site.name)},
)
SECTORS: RecordList[Sector] = RecordList(
    Sector, {"site": lambda site: Sector.site_id == site}, newest(Sector), (Sector.site,)
)
KEYWORDS: RecordList[Keyword] = RecordList(
    Keyword,
    record_filters(Keyword)
    | {
        "text": holds(Keyword.text_folded),
        "volume_from": lambda volume: Keyword.volume >= volume,
        "volume_to": lambda volume: Keyword.volume <= volume,
        "intent": lambda intent: Keyword.intent == intent,
        "cluster": lambda cluster: Keyword.cluster_id == cluster,
        "doubles": lambda doubles: _is_double() if doubles else true(),
    },
    newest(Keyword)
    | {
        "volume": _figure(Keyword.volume),
        "difficulty": _figure(Keyword.difficulty),
        "clicks": _figure(Keyword.clicks),
        "impressions": _figure(Keyword.impressions),
        "position": replace(_figure(Keyword.position), descending=False, nulls="highest"),
        "text": alphabetical(Keyword.text),
    },
    (Keyword.site, Keyword.sector, Keyword.cluster),
)
CLUSTERS: RecordList[Cluster] = RecordList(
    Cluster,
    record_filters(Cluster) | {"text": holds(Cluster.name_folded, Cluster.main_keyword_folded)},
    newest(Cluster) | {"name": alphabetical(Cluster.name)},
    (Cluster.site, Cluster.sector),
)
IDEAS: RecordList[Idea] = RecordList(
    Idea,
    record_filters(Idea)
    | {
        "text": holds(Idea.title_folded, Idea.main_keyword_folded),
        "cluster": lambda cluster: Idea.cluster_id == cluster,
    },
    newest(Idea) | {"title": alphabetical(Idea.title)},
    (Idea.site, Idea.sector, Idea.cluster),
)
