"""Stored centres of clusters and the stored cut of a sector: what is known of a sector without its texts."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Select, cast, delete, func, select
from sqlalchemy.orm import Session

from app.business.base import RowValues
from app.business.folding import name_key
from app.business.planner.grouping_models import ClusterCentre, SectorCut
from app.business.planner.models import Cluster, Idea, Keyword, KeywordStatus
from app.business.planner.services.clustering_plan import KnownCluster
from app.business.upsert import upsert

TEXTS_OF_A_CLUSTER = 20
"""From which a centre is made that is not stored: the most searched keywords."""
GROWTH = 1.5
"""The cut is estimated again when the sector has grown by this factor."""
MOST_SAMPLED = 3_000
IDS_AT_ONCE = 500
MODULUS = 1_000_003


@dataclass(frozen=True)
class Members:
    """How many keywords a cluster has, and a fingerprint of them and their texts."""

    size: int
    fingerprint: str


def known_clusters(
    session: Session, account_id: int, sector_id: int, model: str, except_for: Collection[int] = ()
) -> dict[int, KnownCluster]:
    """Every cluster of the sector that has keywords, with its centre where the stored one is still true."""
    in_sector = (Keyword.account_id == account_id, Keyword.sector_id == sector_id)
    members = members_of(session, _members(*in_sector))
    query = (
        select(Cluster.id, Cluster.name, ClusterCentre.members, ClusterCentre.vector)
        .outerjoin(ClusterCentre, (ClusterCentre.cluster_id == Cluster.id) & (ClusterCentre.model == model))
        .where(Cluster.account_id == account_id, Cluster.sector_id == sector_id)
        .order_by(Cluster.id)
    )
    known = {}
    for cluster_id, name, fingerprint, vector in session.execute(query):
        now = members.get(cluster_id)
        if now is not None and cluster_id not in except_for:
            is_true = fingerprint == now.fingerprint
            known[cluster_id] = KnownCluster(name, now.size, vector if is_true else None)
    stale = [key for key, cluster in known.items() if cluster.centre is None]
    for key, texts in _texts(session, stale).items():
        known[key] = KnownCluster(known[key].name, known[key].size, None, tuple(texts))
    return known


def parents_of(session: Session, account_id: int, sector_id: int) -> dict[int, str]:
    """The parent keyword, folded, that most of each cluster's keywords have; clusters without one are left out."""
    count = func.count()
    query = (
        select(Keyword.cluster_id, Keyword.parent_keyword, count)
        .where(Keyword.account_id == account_id, Keyword.sector_id == sector_id)
        .where(Keyword.cluster_id.is_not(None), Keyword.parent_keyword != "")
        .group_by(Keyword.cluster_id, Keyword.parent_keyword)
        .order_by(count, Keyword.parent_keyword)
    )
    # The most frequent one comes last.
    return {key: name_key(parent) for key, parent, _ in session.execute(query) if key is not None}


def members_of(session: Session, query: Select[int | None, int, int, int]) -> dict[int, Members]:
    """Of the clusters that the query names."""
    return {
        cluster_id: Members(count, f"{count}:{ids}:{marks}")
        for cluster_id, count, ids, marks in session.execute(query)
        if cluster_id is not None
    }


def keep_centres(
    session: Session,
    account_id: int,
    model: str,
    centres: Mapping[int, bytes],
    expected: Mapping[int, int],
    unsettled: Collection[int],
) -> None:
    """Store centres of clusters that now have the `expected` number of keywords; others are made anew next time."""
    for some in _parts(centres):
        now = members_of(session, _members(Keyword.account_id == account_id, Keyword.cluster_id.in_(some)))
        session.execute(delete(ClusterCentre).where(ClusterCentre.cluster_id.in_(some)))
        for cluster_id in some:
            members = now.get(cluster_id)
            if members is None or members.size != expected[cluster_id]:
                continue
            row: RowValues = {
                "account_id": account_id,
                "cluster_id": cluster_id,
                "model": model,
                "members": members.fingerprint,
                "vector": centres[cluster_id],
                "settled": cluster_id not in unsettled,
            }
            change = {name: row[name] for name in ("model", "members", "vector", "settled")}
            upsert(session, ClusterCentre, row, unique=["cluster_id"], change=change)


def unsettled(session: Session, account_id: int, cluster_ids: Iterable[int]) -> dict[int, str]:
    """Fingerprints of the keywords of those clusters about which only grouping has decided."""
    found: dict[int, str] = {}
    for some in _parts(cluster_ids):
        now = members_of(session, _members(Keyword.account_id == account_id, Keyword.cluster_id.in_(some)))
        query = select(ClusterCentre.cluster_id, ClusterCentre.members).where(
            ClusterCentre.account_id == account_id,
            ClusterCentre.cluster_id.in_(some),
            ClusterCentre.settled.is_(False),
        )
        found |= {
            cluster_id: members
            for cluster_id, members in session.execute(query)
            if cluster_id in now and now[cluster_id].fingerprint == members
        }
    return found


def centres_of_planned(
    session: Session, site_ids: Collection[int], model: str
) -> dict[int, dict[int, bytes]]:
    """By site: stored centres of its clusters that have ideas."""
    query = (
        select(Cluster.site_id, ClusterCentre.cluster_id, ClusterCentre.vector)
        .join(Cluster, Cluster.id == ClusterCentre.cluster_id)
        .where(Cluster.site_id.in_(site_ids), ClusterCentre.model == model)
        .where(select(Idea.id).where(Idea.cluster_id == Cluster.id).exists())
        .order_by(ClusterCentre.cluster_id)
    )
    found: dict[int, dict[int, bytes]] = defaultdict(dict)
    for site_id, cluster_id, vector in session.execute(query):
        found[site_id][cluster_id] = vector
    return found


def centres_of(session: Session, cluster_ids: Collection[int], model: str) -> dict[int, bytes]:
    """The stored centres of clusters, of those that have one."""
    query = select(ClusterCentre.cluster_id, ClusterCentre.vector).where(
        ClusterCentre.cluster_id.in_(cluster_ids), ClusterCentre.model == model
    )
    return dict(session.execute(query).all())


def cut_of(session: Session, account_id: int, sector_id: int, model: str, size: int) -> float | None:
    """The sector's cut; None where there is none of this model, or the sector has grown much since."""
    query = select(SectorCut.cut, SectorCut.size).where(
        SectorCut.account_id == account_id, SectorCut.sector_id == sector_id, SectorCut.model == model
    )
    kept = session.execute(query).first()
    return kept.cut if kept and size < GROWTH * kept.size else None


def keep_cut(session: Session, account_id: int, sector_id: int, model: str, cut: float, size: int) -> None:
    row: RowValues = {
        "account_id": account_id,
        "sector_id": sector_id,
        "model": model,
        "cut": cut,
        "size": size,
    }
    change: RowValues = {"model": model, "cut": cut, "size": size}
    upsert(session, SectorCut, row, unique=["sector_id"], change=change)


def sample_of(session: Session, account_id: int, sector_id: int) -> list[str]:
    """Texts of the sector, at most 3,000, spread evenly: from them its cut is estimated."""
    of_sector = (
        Keyword.account_id == account_id,
        Keyword.sector_id == sector_id,
        Keyword.status != KeywordStatus.IGNORED,
    )
    count = session.scalar(select(func.count()).where(*of_sector)) or 0
    number = func.row_number().over(order_by=Keyword.id)
    numbered = select(Keyword.text, number.label("number")).where(*of_sector).subquery()
    step = -(-count // MOST_SAMPLED) or 1
    query = select(numbered.c.text).where(numbered.c.number % step == 0).order_by(numbered.c.number)
    return list(session.scalars(query))


def _members(*where: ColumnElement[bool]) -> Select[int | None, int, int, int]:
    wide = cast(Keyword.id, BigInteger)
    mark = (wide * wide + wide * func.length(Keyword.text)) % MODULUS
    counts = func.count(), cast(func.sum(wide), BigInteger), cast(func.sum(mark), BigInteger)
    query = select(Keyword.cluster_id, *counts).where(
        Keyword.status == KeywordStatus.CLUSTERED,
        Keyword.cluster_id.is_not(None),
        *where,
    )
    return query.group_by(Keyword.cluster_id)


def _texts(session: Session, cluster_ids: list[int]) -> dict[int, list[str]]:
    rank = func.row_number().over(
        partition_by=Keyword.cluster_id, order_by=(func.coalesce(Keyword.volume, 0).desc(), Keyword.id)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for some in _parts(cluster_ids):
        ranked = (
            select(Keyword.cluster_id, Keyword.text, rank.label("rank"))
            .where(Keyword.cluster_id.in_(some), Keyword.status == KeywordStatus.CLUSTERED)
            .subquery()
        )
        query = (
            select(ranked.c.cluster_id, ranked.c.text)
            .where(ranked.c.rank <= TEXTS_OF_A_CLUSTER)
            .order_by(ranked.c.cluster_id, ranked.c.rank)
        )
        for cluster_id, text in session.execute(query):
            found[cluster_id].append(text)
    return found


def _parts(ids: Iterable[int]) -> list[list[int]]:
    every = list(ids)
    return [every[start : start + IDS_AT_ONCE] for start in range(0, len(every), IDS_AT_ONCE)]
