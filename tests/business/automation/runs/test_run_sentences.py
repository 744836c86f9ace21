"""A run's own description is true: why it took nothing, its result, why a unit failed, what each attempt used."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from concurrent.futures import TimeoutError as TooSlow
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app.business import errors
from app.business.accounts.models import Account
from app.business.automation.run_models import Reason, RunAttempt, ScheduledTask, Status
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.unit_failure import OURS, failure_of
from app.business.language_model import Completion, FaultKind, Prompt, ProviderFault
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import HOURLY, IDEAS, LABEL, clusters_with_keywords, run_once
from tests.factories import make_idea, make_keyword, make_task

VOLUME = {"field": "volume", "operator": "gte", "value": 500}
SCHEDULED = {"trigger": "schedule", "schedule": HOURLY}


def attempts_of(session: Session, run: ScheduledTask) -> list[int]:
    query = select(RunAttempt.credits_used).where(RunAttempt.run_id == run.id).order_by(RunAttempt.number)
    return list(session.scalars(query))


def with_idea(session: Session, cluster_id: int, sector: Sector) -> None:
    make_idea(session, sector, cluster_id=cluster_id)


def test_each_attempt_names_what_it_used_itself(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ids = clusters_with_keywords(session, sector, 3)
    machine.model = FailingModel("refused", only=f"-{ids[2]}", times=2)
    run = machine.run_now(machine.make_rule(account, trigger="cluster_created", actions=[IDEAS]))
    for _ in range(2):
        commands.retry(session, run, machine.now)
        machine.settle()
        session.refresh(run)
    assert (run.status, run.credits_used) == (Status.COMPLETED, 15)
    assert attempts_of(session, run) == [10, 0, 5]


def test_one_cluster_that_has_ideas_is_said_to_have_ideas(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (first,) = clusters_with_keywords(session, sector, 1)
    with_idea(session, first, sector)
    rule = machine.make_rule(account, **SCHEDULED, actions=[IDEAS])
    run = machine.run_now(rule, record_ids=[first])
    assert (run.reason, run.error_message) == (Reason.CONDITIONS, "This cluster has ideas already.")


def test_records_given_by_hand_are_each_accounted_for(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ids = clusters_with_keywords(session, sector, 4)
    for cluster_id in ids[:2]:
        with_idea(session, cluster_id, sector)
    named = {"field": "name", "operator": "ne", "value": "running shoes 3"}
    rule = machine.make_rule(account, **SCHEDULED, actions=[IDEAS], conditions=named)
    assert machine.run_now(rule, record_ids=ids[:2]).error_message == "All 2 clusters have ideas already."
    run = machine.run_now(rule, record_ids=[ids[0], ids[1], ids[3]])
    assert run.error_message == (
        "None of the 3 clusters could be taken: 1 does not match the conditions now, 2 have ideas already."
    )


def test_a_rule_that_selects_its_records_names_what_it_found(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, **SCHEDULED, record_type="keyword", actions=[LABEL], conditions=VOLUME)
    small = make_keyword(session, sector, volume=10)
    assert machine.run_now(rule).error_message == "There is no keyword that matches the conditions now."
    small.volume = 900
    assert machine.run_now(rule).status == Status.COMPLETED
    assert machine.run_now(rule).error_message == (
        "1 keyword matches, but this rule takes none of them: 1 was taken by this rule before."
    )
    make_keyword(session, sector, volume=900)
    picky = machine.make_rule(
        account, name="Picky", **SCHEDULED, record_type="keyword", actions=[LABEL], record_minimum=5
    )
    assert machine.run_now(picky).error_message == (
        "Only 2 keywords can be taken now; this rule waits for at least 5."
    )


def test_a_failed_run_does_not_say_that_there_was_nothing_to_do(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = FailingModel("refused")
    run = run_once(machine, account, IDEAS)
    assert (run.status, run.result["summary"]) == (Status.FAILED, "Nothing was finished.")


def test_units_not_tried_are_counted(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 5)
    machine.model = FailingModel("timeout")
    run = run_once(machine, account, IDEAS)
    assert run.error_message == (
        "0 of 5 clusters given ideas; 3 failed: The AI service said no. "
        "The service did not answer, so 2 were not begun. Retry does only those."
    )


RESULTS: list[tuple[str, list[dict[str, Any]], str]] = [
    ("keyword", [LABEL], "2 keywords updated."),
    ("keyword", [LABEL, {"type": "notify", "params": {"message": "Hi"}}], "2 keywords updated. Notice sent."),
    (
        "keyword",
        [{"type": "create_record", "params": {"type": "idea", "title": "On {text}"}}, LABEL],
        "Made 2 ideas. 2 keywords updated.",
    ),
    (
        "keyword",
        [LABEL | {"when": VOLUME}],
        "There was nothing to do: no record met the conditions of the actions.",
    ),
    ("idea", [{"type": "update_records", "params": {"status": "accepted"}}],
     "Nothing was done. 1 idea was left out: This idea is “rejected” and cannot become “accepted”."),
    ("keyword", [{"type": "cluster_keywords", "params": {}}],
     "No keyword fitted a cluster; they stay new and are tried again in a week."),
    ("task", [{"type": "pause_rule", "params": {"action": "generate_content"}}], "0 rules switched off."),
]  # fmt: skip


@pytest.mark.parametrize(("record_type", "actions", "sentence"), RESULTS)
def test_a_result_names_what_was_done(
    machine: Machine,
    session: Session,
    account: Account,
    sector: Sector,
    record_type: str,
    actions: list[dict[str, Any]],
    sentence: str,
) -> None:
    for text in ("espresso machine", "garden hose"):
        make_keyword(session, sector, text=text, volume=10)
    make_idea(session, sector, status="rejected")
    make_task(session, sector)
    run = run_once(machine, account, *actions, record_type=record_type)
    assert (run.status, run.result["summary"]) == (Status.COMPLETED, sentence)


class _Answer(BaseModel):
    title: str = Field(min_length=3)


def _misfit() -> ValidationError:
    with pytest.raises(ValidationError) as found:
        _Answer.model_validate({"title": "x"})
    return found.value


WORKING = ("app.business", "app.infrastructure.ai")
"""Modules whose code executes units."""
NOT_WORKING = ("app.business.automation.services.triggering", "app.business.automation.services.draining")
"""Of these, the modules that plan and dispatch runs, and those that execute runs one by one where many failed."""
ALWAYS_END = (errors.Refusal, ProviderFault)
"""End a unit although other callers, like the test of a connection, catch them by name."""
GIVEN: dict[Any, Any] = {str: "No.", int: 5, inspect.Parameter.empty: "No."}
OTHERS: list[Exception] = [
    TooSlow(),
    OperationalError("", {}, Exception("locked")),
    IntegrityError("", {}, Exception("unique")),
    _misfit(),
]
"""Those of libraries."""


def own_exceptions() -> list[type[Exception]]:
    """Every exception class that the code which executes units defines."""
    for package in map(importlib.import_module, WORKING):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    def below(base: type[Exception]) -> set[type[Exception]]:
        return {deeper for one in base.__subclasses__() for deeper in {one} | below(one)}

    working = (
        one
        for one in below(Exception)
        if one.__module__.startswith(WORKING) and not one.__module__.startswith(NOT_WORKING)
    )
    return sorted(working, key=lambda one: one.__name__)


CAUGHT, NAME = (
    re.compile(r"^\s*except\s+([^:]+?)(?:\s+as\s+\w+)?:", re.MULTILINE),
    re.compile(r"(?<![\w.])\w+"),
)
"""Read as text: every process of the tests collects these cases, and parsing all the code takes seconds."""


def caught_names() -> set[str]:
    """The exceptions that this code catches by name, so that they do not end a unit."""
    names: set[str] = set()
    for package in WORKING:
        for path in Path(*package.split(".")).rglob("*.py"):
            for caught in CAUGHT.findall(path.read_text()):
                names |= set(NAME.findall(caught))
    return names


def made(kind: type[Exception]) -> list[Exception]:
    """The exception as its code raises it; one for each kind that it distinguishes."""
    if "__init__" not in vars(kind) and kind.__base__ in (Exception, ValueError):
        return [kind("No.")]
    first, *more = inspect.signature(kind, eval_str=True).parameters.values()
    needed = [one for one in more if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    values = get_args(first.annotation) if get_origin(first.annotation) is Literal else [_sample(first)]
    return [kind(value, *map(_sample, needed)) for value in values]


def _sample(parameter: inspect.Parameter) -> Any:
    is_mapping = get_origin(parameter.annotation) is Mapping
    return {"title": ["This is empty."]} if is_mapping else GIVEN.get(parameter.annotation, "No.")


def ends() -> list[Exception]:
    """Every exception that can end a unit. Some refusals are caught by name in some places, and end units in others."""
    caught = caught_names()
    own = [one for one in own_exceptions() if issubclass(one, ALWAYS_END) or one.__name__ not in caught]
    return [error for kind in own for error in made(kind)] + OTHERS


def test_the_exceptions_are_found() -> None:
    found = {type(error) for error in ends()}
    assert {errors.Invalid, errors.Blocked, errors.NotEnoughCredits, ProviderFault} <= found
    assert len([error for error in ends() if isinstance(error, ProviderFault)]) == len(get_args(FaultKind))


@pytest.mark.parametrize("error", ends(), ids=lambda error: f"{type(error).__name__} {error}"[:40])
def test_every_exception_that_can_end_a_unit_has_its_sentence(error: Exception) -> None:
    step: Any = SimpleNamespace(entry=CATALOGUE["generate_ideas"])
    unit: Any = SimpleNamespace(step=step)
    said = failure_of(unit, error).message
    assert said != OURS
    assert said.strip().endswith(".")
    assert failure_of(unit, KeyError("x")).message == OURS


class _Short(FailingModel):
    def write(self, prompt: Prompt, key: str) -> Completion:
        answer = super().write(prompt, key)
        return Completion({"ideas": [answer.data["ideas"][0] | {"title": "x"}]}, "test")


def test_an_answer_that_cannot_be_used_is_named_so(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = _Short()
    run = run_once(machine, account, IDEAS)
    assert run.error_message == (
        "Generate content ideas: The AI service sent an answer that cannot be used: "
        "the title is too short. Retry it."
    )
