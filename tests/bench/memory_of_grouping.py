"""Memory that grouping 50,000 keywords of one sector takes: `python -m tests.bench.memory_of_grouping [NUMBER]`."""

import resource
import sys
import time
from random import Random

from app.business.planner.services import keyword_groups
from app.business.planner.services.cluster_centres import MOST_SAMPLED
from app.business.planner.services.clustering_plan import ClusteringRequest, KeywordFacts

SEED = 7
SYLLABLES = ("ba", "ko", "mi", "lu", "ter", "san", "do", "fel", "ri", "pon")


def made_up(count: int) -> list[KeywordFacts]:
    """Searches of two to five words out of 3,000, around themes."""
    random = Random(SEED)
    words = ["".join(random.choices(SYLLABLES, k=random.randint(2, 3))) for _ in range(3_000)]
    themes = [random.sample(words, 3) for _ in range(count // 12)]
    return [
        KeywordFacts(number, " ".join(_search(random, themes, words)), 0, None) for number in range(count)
    ]


def _search(random: Random, themes: list[list[str]], words: list[str]) -> list[str]:
    return [*random.choice(themes)[:2], *random.sample(words, random.randint(0, 2))]


def main(count: int) -> None:
    keywords = made_up(count)
    begun = time.process_time()
    sample = [keyword.text for keyword in keywords[:: -(-count // MOST_SAMPLED)]]
    answer = keyword_groups.group_keywords(ClusteringRequest(1, keywords, {}, 2, sample=sample))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with open("/proc/self/statm", encoding="ascii") as file:
        after = int(file.read().split()[1]) * resource.getpagesize() / 2**20
    took = time.process_time() - begun
    print(
        f"{count:,} keywords: {len(answer.groups):,} clusters, {peak:,.0f} MB at most, {after:,.0f} MB after"
    )
    print(f"{took:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
