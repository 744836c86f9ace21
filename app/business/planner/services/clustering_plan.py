"""Request and result of clustering, as plain data."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from app.business.language_model import ModelConnection, ModelUse
from app.business.planner.models import Tightness

ENGLISH_MODEL = "minilm-l6-int8-1"
SPELLING_MODEL = "minilm-l6-int8-1+spelling-1"
"""The encoder knows English; in other languages texts that share parts of words count as near too."""


def model_of(language: str) -> str:
    """Which built-in vectors a site's texts get; vectors of two models are never compared."""
    return ENGLISH_MODEL if language.lower().startswith("en") else SPELLING_MODEL


def model_of_service(connection: ModelConnection) -> str:
    """Whose vectors the texts of accounts with a service for that get."""
    return f"{connection.embedding_model} at {urlsplit(connection.base_url).netloc}"[:255]


CUT_FACTORS = {Tightness.LOOSE: 1.2, Tightness.USUAL: 1.0, Tightness.TIGHT: 0.8}


@dataclass(frozen=True)
class KeywordFacts:
    """A keyword as plain data. `parent`: the broader search under which a tool files it."""

    id: int
    text: str
    volume: int
    intent: str | None
    impressions: int = 0
    clicks: int = 0
    parent: str = ""


@dataclass(frozen=True)
class KnownCluster:
    """A cluster of the sector: how many keywords it has and the mean of their vectors.

    `centre`: None where it is not stored, or is not of these keywords or this model any more; then it is made of
    `texts`, the most searched of them. `parent`: the parent keyword, folded, that most of its keywords have.
    """

    name: str
    size: int
    centre: bytes | None = None
    texts: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True)
class LooseCluster:
    """A cluster that nobody but grouping has decided about or built on: its keywords are grouped anew with new ones.

    members: fingerprint of the keywords.
    """

    name: str
    keywords: list[KeywordFacts]
    members: str = ""


@dataclass(frozen=True)
class ClusteringRequest:
    """New keywords of one sector, the clusters it has, and what was left over earlier.

    `loose`: clusters that are not in `known`, because their keywords are grouped anew ·
    `model`: whose vectors · `cut`: the sector's, None where it is to be estimated from `sample` and the keywords ·
    `by_parent`: keywords with one parent keyword go together, the others by meaning · `connection`: of the service
    that makes the vectors; None for the built-in ones · `refusal`: why the month's money does not allow it.
    """

    sector_id: int
    keywords: list[KeywordFacts]
    known: dict[int, KnownCluster]
    min_cluster_size: int
    model: str = ENGLISH_MODEL
    left: list[KeywordFacts] = field(default_factory=list)
    cut: float | None = None
    sample: list[str] = field(default_factory=list)
    by_parent: bool = False
    tightness: Tightness = Tightness.USUAL
    connection: ModelConnection | None = None
    refusal: str | None = None
    loose: dict[int, LooseCluster] = field(default_factory=dict)

    @property
    def placed_before(self) -> list[KeywordFacts]:
        """The keywords of loose clusters."""
        return [keyword for cluster in self.loose.values() for keyword in cluster.keywords]

    @property
    def letters(self) -> int:
        """Of all texts that need a vector: no text has more tokens than letters and two marks.

        Those of loose clusters are in the sample.
        """
        texts = [keyword.text for keyword in (*self.keywords, *self.left)]
        texts += [text for cluster in self.known.values() if cluster.centre is None for text in cluster.texts]
        return sum(len(text) + 2 for text in (*texts, *self.sample))

    @property
    def size(self) -> int:
        """Keywords of the sector that are grouped or could be."""
        clustered = sum(cluster.size for cluster in self.known.values())
        return clustered + len(self.keywords) + len(self.left) + len(self.placed_before)


@dataclass(frozen=True)
class NewCluster:
    """A group worth a page, named by its most searched keyword."""

    name: str
    main_intent: str | None
    keyword_ids: list[int]
    centre: bytes | None = None


@dataclass(frozen=True)
class ClusteringAnswer:
    """Where keywords go: cluster id -> keyword ids, new groups, and those that fit nowhere yet.

    `centres`: of known clusters with the keywords that join them, and their number · `cut`: if it was estimated anew ·
    `loose`: those that were grouped anew, with the fingerprints of their keywords then · `former`: keyword -> its loose
    cluster until now; joins and groups hold these keywords too · `goes_on`: loose cluster -> all its keywords from now
    on; the others end.
    """

    sector_id: int
    joins: dict[int, list[int]] = field(default_factory=dict)
    groups: list[NewCluster] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    model: str = ""
    centres: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    cut: float | None = None
    size: int = 0
    use: ModelUse | None = None
    loose: dict[int, str] = field(default_factory=dict)
    former: dict[int, int] = field(default_factory=dict)
    goes_on: dict[int, list[int]] = field(default_factory=dict)
