"""Test processes begin with long tests, and no test is lost by that."""

import pytest

from tests.ordering import LONG_FIRST, long_first

FOLDERS = {
    "business": 40,
    "browser": 9,
    "faults": 12,
    "fuzz": 2,
    "modules": 31,
    "simulation": 4,
    "journeys": 3,
}
TESTS = [f"{folder}/{number}" for folder, count in FOLDERS.items() for number in range(count)]


def folder_of(test: str) -> str:
    return test.partition("/")[0]


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_none_is_lost(processes: int) -> None:
    assert sorted(long_first(TESTS, folder_of, processes)) == sorted(TESTS)


@pytest.mark.parametrize("processes", [3, 4])
def test_each_part_begins_with_its_long_ones(processes: int) -> None:
    ordered, part = long_first(TESTS, folder_of, processes), len(TESTS) // processes
    for number, folders in enumerate(LONG_FIRST):
        own = ordered[number * part :][: sum(FOLDERS[folder] for folder in folders)]
        assert {folder_of(test) for test in own} == {*folders}


def test_what_needs_more_than_a_part_goes_on_into_the_next() -> None:
    many = [*TESTS, *(f"faults/more {number}" for number in range(200))]
    assert sorted(long_first(many, folder_of, 3)) == sorted(many)
