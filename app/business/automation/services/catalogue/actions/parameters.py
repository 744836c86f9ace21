"""Metadata of action parameters, for forms and sentences; and parameters shared by several actions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from app.business.accounts.models import Role
from app.business.automation.services.catalogue.nouns import plural
from app.business.writer.models import TASK_TYPES

IDS_NAMED = 5
LONGEST_QUOTE = 80
ROLES = {role.value: role.holders for role in Role}

Names = Mapping[int, str]
Said = Any
"""The value of a parameter, as its own phrase takes it. Any: each parameter has a type of its own."""
Phrase = Callable[[Said, str | None, Names], str]
"""Formats a value for the sentence of a rule: (value, record type, names of rules) -> text."""

ROWS = ("site", "person", "rule", "webhook")
"""Kinds of rows that a parameter may reference by id."""


@dataclass(frozen=True, eq=False)
class Input:
    """The words of a parameter in forms, diffs and sentences.

    more: shown under "More options" · words: labels of its values · none: label of the empty choice · names: kind of
    row that its value references, offered by name in the form (`status`: of the rule's records; `recipient`: a role, an
    address, or the id of a person) · template: a text that
    may contain fields in braces · several_lines: a text of more than one line · phrase: its part of a rule's sentence,
    None for none · only_in_full: not in short sentences · always: part of the sentence even with its default, because
    the price depends on it.
    """

    label: str
    hint: str = ""
    more: bool = False
    words: Mapping[str, str] = field(default_factory=dict)
    none: str = "–"
    names: Literal["site", "person", "rule", "webhook", "recipient", "action", "status"] | None = None
    template: bool = False
    several_lines: bool = False
    phrase: Phrase | None = None
    only_in_full: bool = False
    always: bool = False


def input_of(name: str, info: FieldInfo) -> Input:
    """The declared Input; by default the label is the name."""
    declared = next((mark for mark in info.metadata if isinstance(mark, Input)), None)
    return declared or Input(name.replace("_", " ").capitalize())


def counted(text: str) -> Phrase:
    """`3 for each cluster` from `{:,} for each cluster`."""
    return lambda value, _type, _rules: text.format(value)


def quoted(before: str = "") -> Phrase:
    """The text in quotation marks, truncated."""

    def phrase(text: Said, _type: str | None, _rules: Names) -> str:
        line = " ".join(str(text).split())
        return f"{before}“{line if len(line) <= LONGEST_QUOTE else f'{line[: LONGEST_QUOTE - 1]}…'}”"

    return phrase


def _only_these(ids: Said, _type: str | None, _rules: Names) -> str:
    known = list(ids) if isinstance(ids, list) else [ids]
    more = f" and {len(known) - IDS_NAMED:,} more" if len(known) > IDS_NAMED else ""
    return f"only number {', '.join(map(str, known[:IDS_NAMED]))}{more}"


def _due(days: Said, _type: str | None, _rules: Names) -> str:
    return f"due in {plural(days, 'day')}" if days else "due that day"


def _kind_of_task(value: Said, _type: str | None, _rules: Names) -> str:
    return f"of the kind “{TASK_TYPES.get(value, str(value)).lower()}”"


def ids_input(which: str) -> Input:
    """The input of a parameter with record ids: `Only these keywords, by number`."""
    return Input(f"Only {which}, by number", more=True, phrase=_only_these)


RowId = Annotated[int, Field(ge=1, lt=2**63)]
Ids = Annotated[list[RowId], Field(min_length=1, max_length=5000)]
Words = Annotated[str, Field(min_length=1, max_length=64)]
Days = Annotated[int, Field(ge=0, le=365)]

WordCount = Annotated[int, Field(ge=100, le=10_000), Input("Words", phrase=counted("{:,} words each"))]
TaskKind = Annotated[
    Literal["write", "refresh", "link", "report"],
    Input("Kind of task", words=TASK_TYPES, phrase=_kind_of_task),
]
DueInDays = Annotated[
    Days | None, Input("Due in how many days", "Leave it empty for no due day.", phrase=_due)
]
Again = Annotated[
    bool,
    Input(
        "Also records that already have theirs",
        "Costs again. Without it, a cluster with ideas or a task with content is left out.",
        more=True,
        phrase=lambda _value, _type, _rules: "also where there are some already",
    ),
]
Inherit = Annotated[
    bool,
    Input(
        "Take over cluster, idea and main keyword",
        "What is made belongs to the cluster and idea of the record it is made from, and has its main keyword.",
        more=True,
        phrase=lambda _value, _type, _rules: (
            "without the cluster and main keyword of what they are made from"
        ),
    ),
]
