"""Declares a rule's options beyond their types: read by forms, pages, checks and the API.

Each field of `RuleFields` has an `Option` in its metadata.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

Value = str | int | bool | None
Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Idle:
    """A condition on the rule under which an option has no effect, and the advice of the refusal."""

    where: Callable[[Any], bool]  # Takes a RuleDefinition, whose module imports this one.
    why: str


@dataclass(frozen=True)
class Option:
    """Metadata of one field of a rule.

    label: name in diffs and errors · step: form step with this field · question: longer label for the form · hint:
    explanation in the form · choices: offered by the form · words: special words for values in diffs · idle: when the
    option has no effect · is_limit: a lower value only makes the rule do less · frees: when it changes, waiting runs
    are checked again.
    """

    label: str
    step: str
    question: str = ""
    hint: str = ""
    choices: Choices = ()
    words: Mapping[Value, str] = field(default_factory=dict)
    idle: tuple[Idle, ...] = ()
    is_limit: bool = False
    frees: bool = False

    @property
    def asked(self) -> str:
        """Its label in the form."""
        return self.question or self.label


def options_of(model: type[BaseModel]) -> dict[str, Option]:
    """Each field's option, in the order of the model."""
    return {
        name: next(item for item in info.metadata if isinstance(item, Option))
        for name, info in model.model_fields.items()
    }


def idle_options(rule: BaseModel, usual: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Options that differ from `usual` but have no effect in this rule, each with the advice."""
    for name, option in options_of(type(rule)).items():
        for idle in option.idle:
            if getattr(rule, name) != usual[name] and idle.where(rule):
                yield name, idle.why
