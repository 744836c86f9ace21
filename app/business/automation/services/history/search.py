"""Search over everything that a person sees: rules, sites, records, and runs by their number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import LARGEST_ID, Scope
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.rules.listing import RuleFilter, rules_page
from app.business.folding import fold
from app.business.planner.services.record_lists import CLUSTERS, IDEAS, KEYWORDS, SITES, RecordList
from app.business.writer.services.record_lists import CONTENTS, TASKS

SHORTEST = 2
EACH = 5
"""Rows shown of each kind."""

Rows = Sequence[Any]
"""Any: each kind has a model of its own."""


@dataclass(frozen=True)
class FoundGroup:
    """What was found of one kind; has_more: not all of it is here."""

    kind: str
    rows: Rows
    has_more: bool = False


def search(session: Session, scope: Scope, text: str, each: int = EACH) -> list[FoundGroup]:
    """Everything in scope with all these words in its name, grouped by kind; kinds without a match are left out."""
    if not is_enough(text):
        return []
    found = [FoundGroup("run", run_by_number(session, scope, text))]
    if len(fold(text).strip()) >= SHORTEST:
        found += [_group(kind, find(session, scope, text, each + 1), each) for kind, find in FINDERS]
    return [group for group in found if group.rows]


def is_enough(text: str) -> bool:
    """Whether it can be searched for: a few letters, or the number of a run."""
    return len(fold(text).strip()) >= SHORTEST or _number(text) is not None


def run_by_number(session: Session, scope: Scope, text: str) -> list[ScheduledTask]:
    """The run with this number: `17`, `#17` or `run 17`."""
    number = _number(text)
    query = select(ScheduledTask).where(scope.sees(ScheduledTask), ScheduledTask.id == number)
    return [] if number is None else list(session.scalars(query))


def _number(text: str) -> int | None:
    digits = text.strip().lower().removeprefix("run").strip().removeprefix("#")
    is_id = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(LARGEST_ID))
    return int(digits) if is_id and int(digits) <= LARGEST_ID else None


def _group(kind: str, rows: Rows, each: int) -> FoundGroup:
    return FoundGroup(kind, rows[:each], len(rows) > each)


Finder = Callable[[Session, Scope, str, int], Rows]


def _records(of: RecordList[Any]) -> Finder:
    return lambda session, scope, text, limit: of.page(session, scope, {"text": text}, limit=limit).rows


def _rules(session: Session, scope: Scope, text: str, limit: int) -> Rows:
    return rules_page(session, scope, RuleFilter(text=text), limit=limit).rows


FINDERS: tuple[tuple[str, Finder], ...] = (
    ("rule", _rules),
    ("site", _records(SITES)),
    ("keyword", _records(KEYWORDS)),
    ("cluster", _records(CLUSTERS)),
    ("idea", _records(IDEAS)),
    ("task", _records(TASKS)),
    ("content", _records(CONTENTS)),
)
