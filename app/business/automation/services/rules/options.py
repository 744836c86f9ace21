"""What is said of a rule's options beside their types: one declaration that forms, pages, checks and the API read.

`RuleDefinition` carries an `Option` with each of its fields.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

Value = str | int | bool | None
Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Idle:
    """Where an option does nothing (a question asked of the rule), and what to do then: it is refused there."""

    where: Callable[[Any], bool]  # The definition; its module reads this one.
    why: str


@dataclass(frozen=True)
class Option:
    """One field of a rule in the words of the pages.

    label: what lists of changes and refusals call it · step: the step of the form that decides it · question: its
    label in the form, where that asks at length · hint: what the form explains · choices: what the form offers ·
    words: values that have words of their own in a list of changes · idle: where it does nothing ·
    is_limit: a lower value can only make the rule do less · frees: runs that wait are looked at again when it changes.
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


def idle_options(rule: BaseModel, usual: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options of the rule that are not as `usual` and do nothing, each with what to do."""
    for name, option in options_of(type(rule)).items():
        for idle in option.idle:
            if getattr(rule, name) != usual[name] and idle.where(rule):
                yield name, idle.why
