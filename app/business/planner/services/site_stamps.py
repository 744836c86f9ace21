"""Whether the pages of sites are still those that were read, told without reading them again."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Self

from sqlalchemy import BindParameter, CompoundSelect, bindparam, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.business.planner.models import Idea, Record
from app.business.updates import table_of


class TableStamp(NamedTuple):
    """Of a site's rows in one table: each row that is added, changed or removed makes it another one, because every
    change increases a row's version."""

    rows: int = 0
    newest_id: int = 0
    versions: int = 0
    changed_at: datetime | None = None

    def with_new(self, ids: Collection[int], now: datetime) -> Self:
        """After these rows, just inserted, nothing else having happened."""
        return self._replace(
            rows=self.rows + len(ids),
            newest_id=max(self.newest_id, *ids),
            versions=self.versions + len(ids),
            changed_at=max(self.changed_at or now, now),
        )


SiteStamp = Mapping[str, TableStamp]
"""By table, as far as the site has rows in it."""


def with_new_ideas(stamp: SiteStamp, ids: Collection[int], now: datetime) -> SiteStamp:
    """The stamp after these ideas, just inserted, nothing else having happened."""
    ideas = table_of(Idea).name
    return {**stamp, ideas: stamp.get(ideas, TableStamp()).with_new(ids, now)} if ids else stamp


def read_stamps(
    session: Session,
    account_ids: Collection[int],
    site_ids: Collection[int],
    tables_beside: Sequence[type[Record]],
) -> dict[int, SiteStamp]:
    """By site of these accounts: of its ideas, and of its rows in the tables beside."""
    given = {"accounts": list(account_ids), "sites": list(site_ids)}
    found: dict[int, dict[str, TableStamp]] = defaultdict(dict)
    read = session.execute(_stamps((Idea, *tables_beside)), given)
    for site_id, table, rows, newest_id, versions, changed_at in read:
        found[site_id][table] = TableStamp(rows, newest_id, versions, changed_at)
    return {site_id: found.get(site_id, {}) for site_id in site_ids}


@lru_cache
def _stamps(tables: tuple[type[Record], ...]) -> CompoundSelect[int, str, int, int, int, datetime]:
    accounts: BindParameter[int] = bindparam("accounts", expanding=True)
    sites: BindParameter[int] = bindparam("sites", expanding=True)
    return union_all(
        *(
            select(
                table.site_id,
                literal(table_of(table).name),
                func.count(),
                func.max(table.id),
                func.sum(table.version),
                func.max(table.updated_at),
            )
            .where(table.account_id.in_(accounts), table.site_id.in_(sites))
            .group_by(table.site_id)
            for table in tables
        )
    )
