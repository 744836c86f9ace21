"""The JSON documents in the rows of runs: their keys, and what each holds.

Every key may be missing: a row of an older version has what that version wrote.
"""

from typing import Literal, TypedDict

from pydantic import JsonValue


class PendingWork(TypedDict, total=False):
    """Records of one type to be processed, and the step at which work on them begins.

    start: the start whose runs continue them, where it is not the run's own.
    """

    from_step: int
    record_type: str | None
    records: list[int]
    start: int


class PublishingWish(TypedDict, total=False):
    """What a person asked for on an article's page; publish_at: an instant as text."""

    status: Literal["draft", "publish"] | None
    overwrite: bool
    publish_at: str | None
    featured_image: str
    only_reads: bool


class RunOptions(TypedDict, total=False):
    """What a person chose for a run, and what its attempts note for later ones.

    even_if_off: run although the rule is off · in_turn: wait for earlier planned runs · moved: why it does not start
    at its planned time · selected: its records were selected by the rule's conditions · listed: begin, end and length
    of its span of the start's list · matched: records that met the conditions · left_over: its records that it did not
    take · rest: work that it leaves · handed_on: work that it passed on; handed_promised: so many promised records of
    it · wanted: records of a run that a limit skipped · reviewed: a person has allowed the chain to go on ·
    asked_person: it has waited for an answer · operation: the bulk retry that retried it.
    """

    even_if_off: bool
    in_turn: bool
    moved: str
    selected: bool
    listed: list[int]
    matched: int
    left_over: list[int]
    notes: list[str]
    rest: list[PendingWork]
    handed_on: list[PendingWork]
    handed_promised: int
    wanted: list[int]
    reviewed: bool
    asked_person: bool
    operation: int
    publishing: PublishingWish


class GateLine(TypedDict):
    """What one gate said. result: `pass`, `stop`, `not_applicable`, `not_evaluated`."""

    gate: str
    result: str
    message: str


class ConditionSample(TypedDict):
    """The evaluation of the conditions on one record, leaf by leaf; id: None where they ask about no record."""

    id: int | None
    trace: dict[str, JsonValue]


class ConditionTrace(TypedDict, total=False):
    """The conditions on a few of the records that a run was offered."""

    records: list[ConditionSample]


class DoneBefore(TypedDict):
    """The number of records whose work an earlier run had done."""

    run: int
    records: int


class StepSummary(TypedDict):
    """A step in figures."""

    index: int
    type: str
    status: str
    records: int
    left_out: int
    done_before: list[DoneBefore]
    credits: int
    error_message: str


class StepResult(StepSummary):
    """A step with the ids of the records that it created, by type."""

    made: dict[str, list[int]]


class Would(TypedDict, total=False):
    """What a practice run would have done; left_over: records for follow-ups."""

    records: int
    left_over: int
    credits: int


class RunResult(TypedDict, total=False):
    """What a run came to. made: record type -> number of created ones · would: of a practice run, and nothing else."""

    summary: str
    notes: list[str]
    records: int
    made: dict[str, int]
    left_out: int
    near_doubles: int
    steps: list[StepSummary]
    would: Would


class ExhaustedBudget(TypedDict):
    """The budget that a run waits for: whose it is, and the period for which it is exhausted."""

    scope: str
    id: int
    name: str
    period: str
