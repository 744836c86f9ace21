"""How good clusters are, in one pass and in steps, against labelled texts: `python -m tests.bench.clusters FILE...`.

A file is a CSV with the columns `text` and `label`; without one the set under tests/data is used. Beside it stand
trivial baselines, TF-IDF, and what the build before stored centres did, as far as its vectors are still installed.
"""

import csv
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.business.planner.services import keyword_groups
from app.business.planner.services.clustering_plan import (
    ClusteringRequest,
    KeywordFacts,
    KnownCluster,
    LooseCluster,
)
from app.business.planner.services.sentence_encoder import unit
from app.business.planner.services.text_groups import Items, best_cut, link
from app.business.planner.services.text_vectors import CENTRE_WEIGHT, embed

OWN = Path(__file__).parents[1] / "data" / "clustering" / "clinc150_part.csv"
NEAR_DOUBLE = 0.8
GROWTH, MOST_SAMPLED, MOST_LEFT_OVERS = 1.5, 3_000, 1_000
ORDER = 20


@dataclass
class Texts:
    """A labelled set, in random order, with its vectors: each text is embedded once for all trials."""

    texts: list[str]
    labels: list[str]
    vectors: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Texts":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        order = np.random.default_rng(ORDER).permutation(len(rows))
        return cls([rows[at]["text"] for at in order], [rows[at]["label"] for at in order])

    def embed(self, texts: list[str], model: str) -> Any:
        missing = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        if missing:
            self.vectors |= dict(zip(missing, embed(missing, model), strict=True))
        return np.stack([self.vectors[text] for text in texts])


@dataclass
class Scores:
    """rand: adjusted Rand · bcubed: F1 · doubles: clusters whose middle is near another's · left: keywords alone."""

    rand: float
    bcubed: float
    clusters: int
    doubles: int
    left: float

    def __str__(self) -> str:
        share = 100 * self.doubles / max(self.clusters, 1)
        return (
            f"Rand {self.rand:.3f}  BCubed {self.bcubed:.3f}  clusters {self.clusters:4d}  "
            f"near-doubles {self.doubles:3d} ({share:.1f} %)  left {self.left:.1f} %"
        )


def grouped(data: Texts, size: int, *, built_on: bool = False) -> list[int]:
    """A cluster for each text, when `size` texts come at a time; a number of its own for what is left over.

    `built_on`: somebody works on each cluster at once, so that it stays as it is.
    """
    known, names = dict[int, KnownCluster](), dict[int, str]()
    place, waiting, cut, cut_size = dict[int, int](), list[int](), None, 0
    for start in range(0, len(data.texts), size):
        end = min(start + size, len(data.texts))
        new, left = _facts(data, range(start, end)), _facts(data, waiting[-MOST_LEFT_OVERS:])
        request = ClusteringRequest(1, new, known, 2, left=left, cut=cut)
        if cut is None or request.size >= GROWTH * cut_size:
            sample = data.texts[: end : -(-end // MOST_SAMPLED)]
            loose = {} if built_on or end > MOST_SAMPLED else _loose(data, known, place)
            known = {key: cluster for key, cluster in known.items() if key not in loose}
            request = ClusteringRequest(1, new, known, 2, left=left, sample=sample, loose=loose)
        answer = keyword_groups.group_keywords(request)
        if answer.cut is not None:
            cut, cut_size = answer.cut, answer.size
        for key, ids in (*answer.joins.items(), *answer.goes_on.items()):
            place |= dict.fromkeys(ids, key)
            known[key] = KnownCluster(names[key], answer.centres[key][1], answer.centres[key][0])
        for group in answer.groups:
            key = len(names)
            names[key] = group.name
            known[key] = KnownCluster(group.name, len(group.keyword_ids), group.centre)
            place |= dict.fromkeys(group.keyword_ids, key)
        waiting = [key for key in range(end) if key not in place]
    return [place.get(key, -1 - key) for key in range(len(data.texts))]


def _loose(data: Texts, known: dict[int, KnownCluster], place: dict[int, int]) -> dict[int, LooseCluster]:
    members: dict[int, list[int]] = {key: [] for key in known}
    for text, key in place.items():
        members[key].append(text)
    return {key: LooseCluster(known[key].name, _facts(data, ids)) for key, ids in members.items()}


def _facts(data: Texts, ids: Iterable[int]) -> list[KeywordFacts]:
    return [KeywordFacts(key, data.texts[key], 0, None) for key in ids]


def score(data: Texts, found: list[int]) -> Scores:
    """Against the labels; near-doubles by the centred vectors."""
    table = _table(data.labels, found)
    vectors = data.embed(data.texts, "minilm-l6-int8-1")
    vectors = unit(vectors - len(vectors) / (len(vectors) + CENTRE_WEIGHT) * vectors.mean(axis=0))
    labels = np.array(found)
    sizes = {key: int(count) for key, count in zip(*np.unique(labels, return_counts=True), strict=True)}
    middles = [vectors[labels == key].mean(axis=0) for key, count in sizes.items() if count > 1]
    doubles = 0
    if len(middles) > 1:
        near = unit(np.stack(middles)) @ unit(np.stack(middles)).T
        np.fill_diagonal(near, 0)
        doubles = int((near.max(axis=1) >= NEAR_DOUBLE).sum())
    alone = sum(count == 1 for count in sizes.values())
    return Scores(_rand(table), _bcubed(table), len(middles), doubles, 100 * alone / len(labels))


def _table(labels: list[str], found: list[int]) -> Any:
    rows = np.unique(labels, return_inverse=True)[1]
    columns = np.unique(found, return_inverse=True)[1]
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return table


def _rand(table: Any) -> float:
    def pairs(counts: Any) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / pairs(np.array([table.sum()]))
    return (both - expected) / ((rows + columns) / 2 - expected)


def _bcubed(table: Any) -> float:
    count = table.sum()
    precision = float((table**2 / table.sum(axis=0)).sum() / count)
    recall = float((table**2 / table.sum(axis=1, keepdims=True)).sum() / count)
    return 2 * precision * recall / (precision + recall)


def tf_idf(data: Texts) -> list[int]:
    """Words weighted by rarity, cut as ours."""
    words = {word for text in data.texts for word in text.lower().split()}
    column = {word: at for at, word in enumerate(sorted(words))}
    counts = np.zeros((len(data.texts), len(column)), np.float32)
    for row, text in zip(counts, data.texts, strict=True):
        for word in text.lower().split():
            row[column[word]] += 1
    counts *= np.log(len(counts) / (counts > 0).sum(axis=0)) + 1
    vectors = unit(counts)
    return _one_pass(vectors)


def build_before(data: Texts) -> list[int] | None:
    """The word vectors used up to 0.8.0; None where they are not installed."""
    try:
        import wordllama
    except ImportError:
        return None
    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    vectors = unit(model.embed(data.texts))
    return _one_pass(unit(vectors - len(vectors) / (len(vectors) + CENTRE_WEIGHT) * vectors.mean(axis=0)))


def _one_pass(vectors: Any) -> list[int]:
    cut = best_cut(vectors)
    return [int(label) for label in link(Items.of_texts(vectors), cut).labels(cut)]


def trials(data: Texts) -> dict[str, Callable[[], list[int] | None]]:
    count = len(data.texts)
    return {
        "one for all": lambda: [0] * count,
        "one for each": lambda: list(range(count)),
        "TF-IDF": lambda: tf_idf(data),
        "the build before": lambda: build_before(data),
        "one pass": lambda: grouped(data, count),
        "halves": lambda: grouped(data, -(-count // 2)),
        "500s": lambda: grouped(data, 500),
        "50s": lambda: grouped(data, 50),
        "50s, all built on": lambda: grouped(data, 50, built_on=True),
    }


def main(paths: list[Path]) -> None:
    for path in paths:
        data = Texts.read(path)
        keyword_groups.embed = data.embed
        print(f"{path.name}: {len(data.texts):,} texts, {len(set(data.labels))} labels")
        for name, trial in trials(data).items():
            begun = time.process_time()
            found = trial()
            if found is not None:
                print(f"  {name:17} {score(data, found)}  {time.process_time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [OWN])
