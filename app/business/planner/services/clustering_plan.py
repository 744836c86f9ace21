"""Request and result of clustering, as plain data."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class KeywordFacts:
    """A keyword as plain data."""

    id: int
    text: str
    volume: int
    intent: str | None


@dataclass(frozen=True)
class ClusteringRequest:
    """New keywords of one sector, and texts of the clusters it has: cluster id -> most searched keywords."""

    sector_id: int
    keywords: list[KeywordFacts]
    known: dict[int, list[str]]
    min_cluster_size: int


@dataclass(frozen=True)
class NewCluster:
    """A group worth a page, named by the most searched of its central keywords."""

    name: str
    main_intent: str | None
    keyword_ids: list[int]


@dataclass(frozen=True)
class ClusteringAnswer:
    """Where keywords go: cluster id -> keyword ids, new groups, and those that fit nowhere yet."""

    sector_id: int
    joins: dict[int, list[int]] = field(default_factory=dict)
    groups: list[NewCluster] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
