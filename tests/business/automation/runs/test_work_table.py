"""Sequences of actions, interrupted at each step in each way and continued: done once, charged once, finally complete.

The actions, and which of them fit together, are read from the catalogue. A sample of their pairs and triples is
tried, each in the next way of its table; with TRIALS=full every pair in all ways over all types of records, and every
tenth triple.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
from sqlalchemy.orm import Session

from app.business.automation.run_models import Status
from tests.business.automation.runs.work_table import BreakingMachine, Case, Outcome, rules_of, tried, ways_of

AT_ONCE = 12
EVERY = 11
"""One in this number of pairs is tested; together they cover each way of ending, step, and way of continuing."""


def all_pairs() -> list[Case]:
    """Each pair of actions, over one record type; the ways of all tables are used in turn."""
    rules = {rule.actions: rule for rule in rules_of(2)}
    return [_next_way(number, rule) for number, rule in enumerate(rules.values())]


def some_triples() -> list[Case]:
    return [_next_way(number, rule) for number, rule in enumerate(islice(rules_of(3), 29, None, 307))]


def _next_way(number: int, rule: Case) -> Case:
    ways = list(ways_of(rule))
    return ways[number * 7 % len(ways)]


def everything() -> Iterator[Case]:
    for rule in [*rules_of(1), *rules_of(2), *islice(rules_of(3), 0, None, 10)]:
        yield from ways_of(rule)


def types_passed_by(case: Case) -> set[str]:
    """Actions between a step that failed for one record and a later step of the same type that did it instead.

    A record that is used once, such as an idea, is taken by that later step. A retry finds it done already, so the
    actions between have nothing of that record to work on.
    """
    failed, later = case.actions[case.at], case.actions[case.at + 1 :]
    goes_on = case.end.endswith("go on") and failed in later
    return set(later[: later.index(failed)]) - {failed} if goes_on else set()


def without(outcome: Outcome, types: set[str]) -> Outcome:
    """Leaves out how often these actions were done, and what that cost."""
    done = Counter({name: times for name, times in outcome.done.items() if name not in types})
    return replace(outcome, done=done, credits=0)


def check(session: Session, cases: list[Case]) -> None:
    """The result must equal that of the same rule without interruption."""
    machine = BreakingMachine(session)
    undisturbed = {replace(case, at=0, end="", recovery="") for case in cases}
    outcomes = tried(machine, [*undisturbed, *cases])
    for case in cases:
        whole = outcomes[replace(case, at=0, end="", recovery="")]
        assert (whole.twice, whole.left, whole.status) == ([], 0, Status.COMPLETED), case
        got = outcomes[case]
        # A later run is left out where the first one, ended early, had nothing more to do for its records.
        allowed = {whole.status, Status.SKIPPED} if case.recovery == "a later run" else {whole.status}
        assert got.status in allowed, case
        expected = replace(whole, status=got.status)
        if passed := types_passed_by(case):
            expected = without(expected, passed)
            got = without(got, passed)
        assert got == expected, case
    assert machine.breaches() == []


def test_every_way_is_tried() -> None:
    assert len(all_pairs()) > 60
    every, tried_ways = list(ways_of(all_pairs()[0])), all_pairs()[::EVERY]
    for name in ("at", "end", "recovery"):
        assert {getattr(case, name) for case in tried_ways} == {getattr(way, name) for way in every}


def test_all_is_done_once_and_charged_once(session: Session) -> None:
    cases = [*all_pairs()[::EVERY], *some_triples()[::3]]
    # The other database executes the same statements: a sample shows whether it accepts them.
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    check(session, cases if is_sqlite else cases[::5])


@pytest.mark.full_trials
def test_all_is_done_once_in_every_way(session: Session) -> None:
    cases = everything()
    while some := list(islice(cases, AT_ONCE)):
        check(session, some)
