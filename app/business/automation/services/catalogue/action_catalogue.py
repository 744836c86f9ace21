"""The actions a rule can take: label, parameters, price, time limit, records taken and made.

Forms, REST API, price check and executor read this one list. A step's work is done unit by unit;
how each type does its unit is in `actions/handler.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RECORD_TYPES = ("keyword", "cluster", "idea", "task", "content")
PARENTS: dict[str, dict[str, str]] = {
    "keyword": {"cluster": "cluster_id"},
    "idea": {"cluster": "cluster_id"},
    "task": {"idea": "idea_id"},
    "content": {"task": "task_id"},
}
"""For each record type, the parent types a step may work on instead, and the column that names the parent."""

RowId = Annotated[int, Field(ge=1, lt=2**63)]
Ids = Annotated[list[RowId], Field(min_length=1, max_length=5000)]
Words = Annotated[str, Field(min_length=1, max_length=64)]
Days = Annotated[int, Field(ge=0, le=365)]


class Params(BaseModel):
    """Base of all parameters: unknown names are refused, types are not bent."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ClusterKeywords(Params):
    keyword_ids: Ids | None = None
    min_cluster_size: int = Field(2, ge=2, le=100)


class GenerateIdeas(Params):
    cluster_ids: Ids | None = None
    ideas_per_cluster: int = Field(3, ge=1, le=10)
    again: bool = False


class CreateTasks(Params):
    idea_ids: Ids | None = None
    word_count: int = Field(1000, ge=100, le=10_000)
    task_type: Literal["write", "refresh", "link", "report"] = "write"
    due_in_days: Days | None = None
    inherit: bool = True


class GenerateContent(Params):
    task_ids: Ids | None = None
    task_id: RowId | None = None
    again: bool = False


class UpdateRecords(Params):
    status: Words | None = None
    labels_add: list[Words] = Field(default_factory=list, max_length=20)
    labels_remove: list[Words] = Field(default_factory=list, max_length=20)
    assignee: RowId | None = None
    due_in_days: Days | None = None
    note: str | None = Field(None, max_length=2000)


class CreateRecord(Params):
    """`for_type` marks what only one of the two has; the other leaves it out."""

    type: Literal["idea", "task"]
    title: str = Field(min_length=1, max_length=255)
    description: str = Field("", max_length=5000)
    content_type: str = Field("article", max_length=32, json_schema_extra={"for_type": "idea"})
    word_count: int = Field(1000, ge=100, le=10_000, json_schema_extra={"for_type": "task"})
    task_type: Literal["write", "refresh", "link", "report"] = Field(
        "write", json_schema_extra={"for_type": "task"}
    )
    due_in_days: Days | None = Field(None, json_schema_extra={"for_type": "task"})
    inherit: bool = True


class Notify(Params):
    message: str = Field(min_length=1, max_length=2000)
    to: Literal["viewer", "operator", "editor", "owner"] | None = None


class PauseRule(Params):
    rule_id: RowId | None = None
    site: RowId | None = None
    action: Words | None = None
    reason: str = Field("", max_length=500)


@dataclass(frozen=True)
class ActionType:
    """One entry of the catalogue.

    takes: record types its units work on (empty: the step is one unit for the whole run) · unit_of:
    what a unit is, `record`, `sector` or `run` · price: most credits that `count` records of one unit can
    cost · ids: the parameter with explicit ids · seconds: time limit of one unit · local: no call outside.
    """

    key: str
    label: str
    params: type[Params]
    takes: tuple[str, ...]
    makes: str | None
    unit_of: Literal["record", "sector", "run"]
    price_text: str
    price: Callable[[Any, int], int]
    local: bool
    seconds: int
    ids: str | None = None
    events: tuple[str, ...] = ()


def _free(_params: Any, _count: int) -> int:
    return 0


def started(amount: int, step: int) -> int:
    """How many steps of that size `amount` has begun: started(11, 10) is 2."""
    return -(-amount // step)


def clustering_price(_params: Any, keywords: int) -> int:
    """1 credit for each started 10 keywords placed."""
    return started(keywords, 10)


def ideas_price(params: GenerateIdeas, _count: int) -> int:
    """5 credits for a cluster and started 5 ideas."""
    return 5 * started(params.ideas_per_cluster, 5)


def words_price(words: int) -> int:
    """1 credit for each started 100 words."""
    return started(words, 100)


BRIEF_PRICE = 1
"""Credits of the outline that is made where there is no AI connection, however long the article was to be."""


def article_price(words: int, asked: int, *, outline: bool) -> int:
    """What a written article costs: its words, at most those asked for; an outline of one costs BRIEF_PRICE."""
    return BRIEF_PRICE if outline else words_price(min(words, asked))


def _content_price(_params: Any, words: int) -> int:
    # The dearer of what may happen: whether there is a connection shows when the work is done.
    return max(words_price(words), BRIEF_PRICE)


CATALOGUE: dict[str, ActionType] = {
    entry.key: entry
    for entry in (
        ActionType(
            "cluster_keywords", "Group keywords into clusters", ClusterKeywords, ("keyword",), "cluster", "sector",
            "1 credit for each started 10 keywords placed", clustering_price, local=False, seconds=300,
            ids="keyword_ids", events=("cluster_created", "status_changed"),
        ),
        ActionType(
            "generate_ideas", "Generate content ideas", GenerateIdeas, ("cluster",), "idea", "record",
            "5 credits for each cluster and started 5 ideas", ideas_price, local=False, seconds=180,
            ids="cluster_ids", events=("idea_created", "status_changed"),
        ),
        ActionType(
            "create_tasks", "Create writing tasks", CreateTasks, ("idea",), "task", "record",
            "free", _free, local=True, seconds=30, ids="idea_ids", events=("task_created", "status_changed"),
        ),
        ActionType(
            "generate_content", "Write the content", GenerateContent, ("task",), "content", "record",
            "1 credit for each started 100 words, 1 in all for an outline made without an AI connection",
            _content_price, local=False, seconds=600,
            ids="task_ids", events=("content_generated", "status_changed"),
        ),
        ActionType(
            "update_records", "Update the records", UpdateRecords, RECORD_TYPES, None, "record",
            "free", _free, local=True, seconds=30, events=("status_changed",),
        ),
        ActionType(
            "create_record", "Create an idea or a task", CreateRecord, RECORD_TYPES, "idea", "record",
            "free", _free, local=True, seconds=30, events=("idea_created", "task_created", "status_changed"),
        ),
        ActionType(
            "notify", "Send a notice", Notify, RECORD_TYPES, None, "run", "free", _free, local=True, seconds=30,
        ),
        ActionType(
            "pause_rule", "Switch rules off", PauseRule, (), None, "run", "free", _free, local=True, seconds=30,
        ),
        ActionType(
            "resume_rule", "Switch rules on", PauseRule, (), None, "run", "free", _free, local=True, seconds=30,
        ),
    )
}  # fmt: skip


def is_paid(actions: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of a rule's actions can cost credits."""
    return any(CATALOGUE[action["type"]].price is not _free for action in actions)


def made_by(action: dict[str, Any]) -> str | None:
    """The record type that this action of a rule makes."""
    if action["type"] == "create_record":
        return str(action["params"]["type"])
    return CATALOGUE[action["type"]].makes


def explicit_ids(action: dict[str, Any]) -> list[int] | None:
    """Ids written into the action's parameters; None when it is bound to the run's records."""
    entry, params = CATALOGUE[action["type"]], action.get("params", {})
    if params.get("task_id") is not None:
        return [params["task_id"]]
    return params.get(entry.ids) if entry.ids else None
