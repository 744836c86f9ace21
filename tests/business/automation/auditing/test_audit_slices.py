"""A slice of the audit reads its part of the rows, and not the others, by all statistics an installation may have."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from app.business.automation.services.auditing import invariants
from app.business.automation.services.auditing.invariants import AuditPlace
from tests.bench import many_runs
from tests.people import make_people
from tests.query_plans import as_installed, read, selected, statistics

pytestmark = pytest.mark.both_databases

RUNS, DAYS, OF_SLICE = 4_000, 10, 100
MOST_STEPS = 80 * OF_SLICE
"""Instructions of SQLite; a look at every run takes more than five for each."""
MOST_ROWS = 10 * OF_SLICE
"""Rows that PostgreSQL looks at."""


def test_a_slice_reads_its_part(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "SLICE", OF_SLICE)
    as_installed(session)
    many_runs.fill(session, make_people(session), RUNS, datetime.now(UTC), DAYS)
    much = {kind: slices_that_read_much(session) for kind in statistics(session)}
    assert not any(much.values()), much
    # Shows that this can fail.
    monkeypatch.setattr(invariants, "SLICE", RUNS)
    assert slices_that_read_much(session)


def slices_that_read_much(session: Session) -> dict[str, int]:
    """Those in the middle of the checks that walk, by what they check."""
    found = {}
    for number, check in enumerate(invariants._checks()):
        if check.walks is None:
            continue
        with selected(session, lambda statement: "max(" not in statement) as statements:
            invariants.audit_slice(session, AuditPlace(number, RUNS // 2), datetime.now(UTC))
        found[check.sentence] = sum(read(session, *statement) for statement in statements)
    most = MOST_STEPS if session.get_bind().dialect.name == "sqlite" else MOST_ROWS
    return {sentence: much for sentence, much in found.items() if much > most}
