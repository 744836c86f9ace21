"""`make bench`: measure each workload beside its reference, print the table, end with 1 where a goal does not hold."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.bench import (
    bursts,
    conditions,
    imports,
    imports_with_rules,
    open_pages,
    pages,
    planning,
    selection,
    size,
    upkeep,
    waiting,
)
from tests.bench.engines import engines
from tests.bench.table import HEADING, Line, write_json

WORKLOADS = (
    planning.lines,
    conditions.lines,
    bursts.lines,
    upkeep.lines,
    waiting.lines,
    selection.lines,
    imports.lines,
    imports_with_rules.lines,
    open_pages.lines,
    pages.lines,
    size.lines,
)
QUICK = (
    partial(planning.lines, sizes=planning.QUICK_SIZES, may_install=False),
    partial(conditions.lines, may_install=False),
)
KEPT = Path("var/bench.json")


def main(arguments: Sequence[str]) -> int:
    """Every workload, or those whose files are named, on SQLite and on PostgreSQL.

    With `--quick` few and small ones, without verdict.
    """
    quick = "--quick" in arguments
    named = [workload for workload in WORKLOADS if workload.__module__.rpartition(".")[2] in arguments]
    print(HEADING, flush=True)
    measured: list[Line] = []
    for workload in QUICK if quick else named or WORKLOADS:
        for engine in engines():
            for line in workload(engine):
                measured.append(line)
                print(line, flush=True)
    if quick:
        return 0
    KEPT.parent.mkdir(exist_ok=True)
    write_json(measured, KEPT)
    print(f"Written to {KEPT}.")
    return 0 if all(line.holds for line in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
