"""What becomes of a real keyword export: clusters, ideas and briefs of a whole site, checked for what must never be.

`python -m tests.bench.real_site LANGUAGE EXPORT [NUMBER]`: with NUMBER, only so many of its keywords. Prints the
figures, clusters picked at random, and ideas that were not made because a page would compete with them.
"""

import itertools
import random
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from app.business.events import Origin
from app.business.planner.models import Cluster, Keyword, Sector
from app.business.planner.services.clustering_plan import model_of
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.ideas_service import IdeasService
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.business.planner.services.page_doubles import NearDouble
from app.business.planner.services.sentence_encoder import unit
from app.business.planner.services.text_vectors import CENTRE_WEIGHT, embed
from app.business.writer.models import Content
from app.business.writer.services.site_pages import WRITTEN_PAGES
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.database import Base
from tests.bench.clusters import NEAR_DOUBLE
from tests.business.planner.stories import sector_of_new_account
from tests.infrastructure.test_offline_brief import brief_of, headings, lines, overlap

AT_ONCE = 5_000
IDEAS, MOST_ALIKE = 5, 0.3
SHOWN_CLUSTERS, SHOWN_DOUBLES = 12, 50
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def group(session: Session, sector: Sector) -> list[Cluster]:
    """All keywords of the sector, as many at once as a run takes."""
    service, origin = ClusteringService(), Origin(account_id=sector.account_id, run_id=1, unit_key="r1-s0-1")
    ids = session.scalars(select(Keyword.id).order_by(Keyword.id)).all()
    for number, start in enumerate(range(0, len(ids), AT_ONCE)):
        origin = Origin(account_id=sector.account_id, run_id=1, unit_key=f"r1-s0-{number}")
        request = service.read(session, sector.account_id, sector.id, ids[start : start + AT_ONCE])
        service.save(session, service.group(request, "k"), origin=origin, now=NOW)
    return list(session.scalars(select(Cluster).order_by(Cluster.id)))


def near_doubles(clusters: dict[int, list[str]], language: str) -> int:
    """Clusters whose middle is near another's, by the vectors that they were made with."""
    texts = [text for members in clusters.values() for text in members]
    vectors = embed(texts, model_of(language))
    vectors = unit(vectors - len(vectors) / (len(vectors) + CENTRE_WEIGHT) * vectors.mean(axis=0))
    ends = list(itertools.accumulate(len(members) for members in clusters.values()))
    middles = unit(np.stack([part.mean(axis=0) for part in np.split(vectors, ends[:-1])]))
    near = middles @ middles.T
    np.fill_diagonal(near, 0)
    return int((near.max(axis=1) >= NEAR_DOUBLE).sum())


def plan(
    session: Session, sector: Sector, clusters: list[Cluster]
) -> tuple[dict[int, list[Content]], list[NearDouble]]:
    """Briefs by cluster, and ideas that were not made."""
    ideas, briefs, doubles = (
        IdeasService(OfflineModel(), WRITTEN_PAGES),
        dict[int, list[Content]](),
        list[NearDouble](),
    )
    for cluster in clusters:
        origin = Origin(account_id=sector.account_id, run_id=6, unit_key=f"r6-s0-{cluster.id}")
        request = ideas.read(session, sector.account_id, cluster.id, count=IDEAS)
        found = ideas.save(session, ideas.generate(request, "k"), origin=origin, now=NOW)
        doubles += found.doubles
        briefs[cluster.id] = [brief_of(session, idea, NOW) for idea in found.ideas]
    return briefs, doubles


def faults(briefs: dict[int, list[Content]], clusters: dict[int, list[Keyword]]) -> dict[str, list[str]]:
    """What must never be, with where it is."""
    found: dict[str, list[str]] = {
        "sentences in two briefs": [], "headings alike in a cluster": [], "not 5 to 12 sections": [],
        "other counts than the cluster": [],
    }  # fmt: skip
    said = defaultdict[str, list[str]](list)
    for key, pages in briefs.items():
        for page in pages:
            for line in lines(page.html):
                said[line].append(page.title)
            if not 5 <= len(headings(page.html)) <= 12:
                found["not 5 to 12 sections"].append(f"{page.title}: {len(headings(page.html))}")
            count, volume = len(clusters[key]), sum(keyword.volume or 0 for keyword in clusters[key])
            wanted = [f"<td>{count:,}</td>", *([f"<td>{volume:,}</td>"] if volume else [])]
            plain = page.html.replace(" ", ",").replace("\u202f", ",").replace(".", ",")
            if not all(cell.replace(" ", ",") in plain for cell in wanted):
                found["other counts than the cluster"].append(f"{page.title}: {count}, {volume}")
        for one, other in itertools.combinations(pages, 2):
            if overlap(headings(one.html), headings(other.html)) > MOST_ALIKE:
                found["headings alike in a cluster"].append(f"{one.title} | {other.title}")
    found["sentences in two briefs"] = [
        f"{line}: {titles[:3]}" for line, titles in said.items() if len(titles) > 1
    ]
    return found


def main(language: str, path: Path, number: int | None = None) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        sector = sector_of_new_account(session, language=language)
        table = read_keyword_table(path.read_bytes())
        del table.rows[number if number is not None else len(table.rows) :]
        origin = Origin(account_id=sector.account_id)
        counts = import_keywords(session, table, site=sector.site, sector=sector, origin=origin, now=NOW)
        clusters = group(session, sector)
        keywords = defaultdict[int, list[Keyword]](list)
        for keyword in session.scalars(select(Keyword).where(Keyword.cluster_id.is_not(None))):
            keywords[keyword.cluster_id or 0].append(keyword)
        texts = {key: [keyword.text for keyword in members] for key, members in keywords.items()}
        near = near_doubles(texts, language)
        print(f"{path.name}: {counts.created:,} keywords, {len(clusters):,} clusters,", end=" ")
        print(f"near-doubles {near} ({100 * near / len(clusters):.1f} %)", flush=True)
        briefs, doubles = plan(session, sector, clusters)
        written = sum(len(pages) for pages in briefs.values())
        print(f"{written:,} briefs, {len(doubles):,} ideas not made")
        for name, places in faults(briefs, keywords).items():
            print(f"{name}: {len(places)}", *places[:8], sep="\n  ")
        chance = random.Random(9)
        print("Clusters:")
        for cluster in chance.sample(clusters, min(SHOWN_CLUSTERS, len(clusters))):
            print(f"  {cluster.name} ({len(texts[cluster.id])}): {' · '.join(texts[cluster.id][:14])}")
        print("Not made:", *chance.sample(doubles, min(SHOWN_DOUBLES, len(doubles))), sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
