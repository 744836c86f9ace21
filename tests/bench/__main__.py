"""`make bench`: measure each workload beside its reference, print the table, end with 1 where a goal does not hold."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, create_engine

from app.business.base import Base
from app.infrastructure.database import engine_options, prepare
from app.infrastructure.schema import protect_history
from tests import databases
from tests.bench import bursts, imports, open_pages, planning, selection, waiting
from tests.bench.table import HEADING, Line, write_json

WORKLOADS = (
    planning.lines,
    bursts.lines,
    waiting.lines,
    selection.lines,
    imports.lines,
    open_pages.lines,
)
QUICK = (partial(planning.lines, sizes=planning.QUICK_SIZES, may_install=False),)
KEPT = Path("var/bench.json")


def main(arguments: Sequence[str]) -> int:
    """Every workload on SQLite and on PostgreSQL. With `--quick` few and small ones, without verdict."""
    quick = "--quick" in arguments
    print(HEADING, flush=True)
    measured: list[Line] = []
    for workload in QUICK if quick else WORKLOADS:
        for engine in _engines():
            for line in workload(engine):
                measured.append(line)
                print(line, flush=True)
    if quick:
        return 0
    KEPT.parent.mkdir(exist_ok=True)
    write_json(measured, KEPT)
    print(f"Written to {KEPT}.")
    return 0 if all(line.holds for line in measured) else 1


def _engines() -> Iterator[Engine]:
    """A fresh database of each kind."""
    with TemporaryDirectory(prefix="igny8-bench-") as folder:
        yield from _prepared(f"sqlite:///{folder}/bench.sqlite3")
    with (
        TemporaryDirectory(prefix="igny8-postgresql-", ignore_cleanup_errors=True) as folder,
        databases.postgresql_server(Path(folder)) as server,
        databases.own_database(server) as url,
    ):
        yield from _prepared(url)


def _prepared(url: str) -> Iterator[Engine]:
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        protect_history(connection)
    yield engine
    engine.dispose()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
