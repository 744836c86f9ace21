"""The fields that conditions can use: for each record type its own, those of related rows, and the account's.

A field is one SQL expression. Selections use it in WHERE clauses and facts are loaded with it, so both read the same
value, and only operators are implemented twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from app.business.accounts.models import User
from app.business.automation.models import RuleRecord
from app.business.automation.services.catalogue.account_fields import ALWAYS_THERE
from app.business.automation.services.catalogue.field_types import (
    Choices,
    Entity,
    Expression,
    Field,
    FieldType,
    Frame,
    SqlValue,
)
from app.business.automation.services.catalogue.incoming_fields import INCOMING
from app.business.automation.services.catalogue.record_models import MODELS, PARENTS, RECORD_TYPES
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN, RUN_FIELDS
from app.business.planner.models import (
    Cluster,
    ClusterStatus,
    Idea,
    IdeaStatus,
    Intent,
    Keyword,
    KeywordStatus,
    Record,
    Sector,
    Site,
    SiteStatus,
)
from app.business.writer.models import TASK_TYPES, Content, ContentStatus, Task, TaskStatus, TaskType

LinkUp = Callable[[Entity, Frame], SqlValue]
"""Expression over a row: the id of one of its ancestors."""


def fields_of(record_type: str | None) -> Mapping[str, Field]:
    """Name -> field. None: fields for rules without records; `run`: for rules that follow a finished run."""
    return _FIELDS[record_type]


def choices_of(record_type: str, name: str) -> Choices:
    """Values and labels of a choice field."""
    return _FIELDS[record_type][name].choices


def _column(name: str) -> LinkUp:
    return lambda entity, _frame: getattr(entity, name)


def _own(name: str, label: str, type: FieldType, choices: Choices = (), column: str | None = None) -> Field:
    own = column or name
    is_text = type in (FieldType.TEXT, FieldType.LIST)
    folded = _column(f"{own}_folded") if is_text else None
    return Field(name, label, type, _column(own), choices, column=own, folded=folded)


def _figure(name: str, label: str, of: Expression) -> Field:
    return Field(name, label, FieldType.NUMBER, of, column=name)


def _choices(values: type[StrEnum], **labels: str) -> Choices:
    return tuple((value.value, labels.get(value.value, value.value.capitalize())) for value in values)


T = FieldType
INTENTS = _choices(Intent)
SITE = (
    _own("name", "name", T.TEXT),
    _own("url", "address", T.TEXT),
    _own("timezone", "time zone", T.TEXT),
    _own("language", "language", T.TEXT),
    _own("status", "status", T.CHOICE, _choices(SiteStatus)),
)
SECTOR = (_own("name", "name", T.TEXT),)
ASSIGNEE = (_own("email", "e-mail", T.TEXT), _own("name", "name", T.TEXT))
SHARED = (
    _own("id", "number (id)", T.REFERENCE),
    _own("site", "site", T.REFERENCE, column="site_id"),
    _own("sector", "sector", T.REFERENCE, column="sector_id"),
    _own("labels", "labels", T.LIST),
    _own("note", "note", T.TEXT),
    _own("assignee", "assignee", T.REFERENCE, column="assignee_id"),
    _own("made_by_run", "run that made it", T.REFERENCE, column="made_by_run_id"),
    _own("status_since", "in its status since", T.INSTANT),
    _own("created_at", "created", T.INSTANT),
    _own("updated_at", "last changed", T.INSTANT),
)
MAIN_KEYWORD = _own("main_keyword", "main keyword", T.TEXT)
TITLE = _own("title", "title", T.TEXT)
OWN: dict[str, tuple[Field, ...]] = {
    "keyword": (
        replace(_own("text", "keyword", T.TEXT), keyword_text=True),
        _own("volume", "volume", T.NUMBER),
        _own("difficulty", "difficulty", T.NUMBER),
        _own("cpc", "cost per click", T.NUMBER),
        _own("intent", "intent", T.CHOICE, INTENTS),
        _own("country", "country", T.TEXT),
        _own("language", "language", T.TEXT),
        _own("position", "position", T.NUMBER),
        _own("clicks", "clicks", T.NUMBER),
        _own("impressions", "impressions", T.NUMBER),
        _own("url", "page address", T.TEXT),
        _own("intents", "all intents", T.LIST),
        replace(_own("parent_keyword", "parent keyword", T.TEXT), keyword_text=True),
        _own("traffic_potential", "traffic potential", T.NUMBER),
        _own("serp_features", "SERP features", T.LIST),
        _own("match_type", "match type", T.TEXT),
        _own("status", "status", T.CHOICE, _choices(KeywordStatus)),
        _own("cluster", "cluster", T.REFERENCE, column="cluster_id"),
    ),
    "cluster": (
        _own("name", "name", T.TEXT),
        MAIN_KEYWORD,
        _own("main_intent", "main intent", T.CHOICE, INTENTS),
        _own("status", "status", T.CHOICE, _choices(ClusterStatus)),
        _figure("keyword_count", "number of keywords", lambda row, frame: _of_cluster(row, Keyword, frame)),
        _figure("idea_count", "number of ideas", lambda row, frame: _of_cluster(row, Idea, frame)),
        _figure("total_volume", "total volume", lambda row, frame: _total_volume(row, frame)),
    ),
    "idea": (
        TITLE,
        _own("description", "description", T.TEXT),
        _own("content_type", "content type", T.TEXT),
        MAIN_KEYWORD,
        _own("status", "status", T.CHOICE, _choices(IdeaStatus)),
        _own("cluster", "cluster", T.REFERENCE, column="cluster_id"),
    ),
    "task": (
        TITLE,
        _own("brief", "brief", T.TEXT),
        _own("task_type", "task type", T.CHOICE, _choices(TaskType, **TASK_TYPES)),
        MAIN_KEYWORD,
        _own("word_count", "word count", T.NUMBER),
        _own("due_on", "due day", T.DAY),
        _own("status", "status", T.CHOICE, _choices(TaskStatus, draft="Not ready")),
        _own("idea", "idea", T.REFERENCE, column="idea_id"),
        Field(
            "content_count", "number of content items", T.NUMBER, lambda row, frame: _content_of(row, frame)
        ),
    ),
    "content": (
        TITLE,
        _own("html", "text", T.TEXT),
        _own("meta_title", "meta title", T.TEXT),
        _own("meta_description", "meta description", T.TEXT),
        MAIN_KEYWORD,
        _own("word_count", "word count", T.NUMBER),
        _own("score", "score", T.NUMBER),
        _own("checks_failed", "failed checks", T.LIST),
        _own("outline", "only a brief", T.BOOLEAN),
        _own("published_url", "published address", T.TEXT),
        _own("published_at", "published", T.INSTANT),
        _own("status", "status", T.CHOICE, _choices(ContentStatus, draft="To check")),
        _own("task", "task", T.REFERENCE, column="task_id"),
    ),
}


def _of_cluster(cluster: type[Cluster], model: type[Keyword] | type[Idea], frame: Frame) -> SqlValue:
    row = aliased(model)
    counted = (
        select(func.count()).select_from(row).where(row.cluster_id == cluster.id, frame.scope.holds(row))
    )
    return counted.correlate_except(row).scalar_subquery()


def _content_of(task: type[Task], frame: Frame) -> SqlValue:
    row = aliased(Content)
    counted = select(func.count()).select_from(row).where(row.task_id == task.id, frame.scope.holds(row))
    return counted.correlate_except(row).scalar_subquery()


def _total_volume(cluster: type[Cluster], frame: Frame) -> SqlValue:
    row = aliased(Keyword)
    mine = (row.cluster_id == cluster.id, frame.scope.holds(row))
    total = select(func.coalesce(func.sum(row.volume), 0)).where(*mine)
    return total.correlate_except(row).scalar_subquery()


def _related(prefix: str, model: Entity, link: LinkUp, field: Field) -> Field:
    """`field` of the `model` row that `link` references; null where there is none in scope."""

    def through(expression: Expression) -> Expression:
        def of(entity: Entity, frame: Frame) -> SqlValue:
            row = aliased(model)
            value = select(expression(row, frame)).where(row.id == link(entity, frame))
            if issubclass(model, Record):
                value = value.where(frame.scope.holds(row))
            return value.correlate_except(row).scalar_subquery()

        return of

    name, label = f"{prefix}.{field.name}", f"{prefix} {field.label}"
    folded = through(field.folded) if field.folded else None
    return replace(field, name=name, label=label, of=through(field.of), folded=folded, column=None)


def parent_of(record_type: str) -> tuple[str, str] | None:
    """The parent record type, and the column that references it."""
    return next(iter(PARENTS.get(record_type, {}).items()), None)


def links_up(record_type: str) -> dict[str, LinkUp]:
    """For each ancestor type in the pipeline: the expression of its id."""
    parent = parent_of(record_type)
    if parent is None:
        return {}
    type, column = parent
    above = {name: _through(MODELS[type], column, link) for name, link in links_up(type).items()}
    return {type: _column(column)} | above


def _through(model: type[Record], column: str, link: LinkUp) -> LinkUp:
    def of(entity: Entity, frame: Frame) -> SqlValue:
        row = aliased(model)
        found = select(link(row, frame)).where(row.id == getattr(entity, column), frame.scope.holds(row))
        return found.correlate_except(row).scalar_subquery()

    return of


def _handled_at(record_type: str) -> Field:
    def of(entity: Entity, frame: Frame) -> SqlValue:
        row = aliased(RuleRecord)
        mine = (row.rule_id == frame.rule_id, row.record_type == record_type, row.record_id == entity.id)
        return select(row.handled_at).where(*mine).correlate_except(row).scalar_subquery()

    return Field("handled_at", "last handled by this rule", T.HANDLED, of)


def _fields(record_type: str) -> dict[str, Field]:
    places = (("site", Site, SITE), ("sector", Sector, SECTOR), ("assignee", User, ASSIGNEE))
    found = [*OWN[record_type], *SHARED, _handled_at(record_type)]
    for prefix, model, fields in places:
        found += [_related(prefix, model, _column(f"{prefix}_id"), field) for field in fields]
    for above, link in links_up(record_type).items():
        shared = [field for field in SHARED if field.name in ("labels", "note", "status_since", "created_at")]
        found += [_related(above, MODELS[above], link, field) for field in (*OWN[above], *shared)]
    return {field.name: field for field in (*found, *ALWAYS_THERE)}


_FIELDS: dict[str | None, dict[str, Field]] = {
    None: {field.name: field for field in ALWAYS_THERE},
    FINISHED_RUN: {**RUN_FIELDS, **{field.name: field for field in ALWAYS_THERE}},
    INCOMING: {field.name: field for field in ALWAYS_THERE},
    **{record_type: _fields(record_type) for record_type in RECORD_TYPES},
}
