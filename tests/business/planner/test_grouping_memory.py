"""Grouping a large sector stays within the memory of a small machine."""

import re
import subprocess
import sys

from tests.sampling import times

KEYWORDS = times(full=50_000, sample=200)
MOST_MEGABYTES = 1_500


def test_a_large_sector_is_grouped_in_bounded_memory() -> None:
    """In a process of its own, whose peak is that of the grouping."""
    command = [sys.executable, "-m", "tests.bench.memory_of_grouping", str(KEYWORDS)]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    found = re.search(r"([\d,]+) MB at most", said)
    assert found, said
    assert int(found[1].replace(",", "")) < MOST_MEGABYTES, said
