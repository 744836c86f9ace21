"""A record's values when its event was written: kept with the event, so that later questions ("would this rule have
taken it?", "why did it not?") are answered with the values of that time.

A snapshot has the record's own values, about a hundred bytes for a keyword: no texts without a length limit (notes,
briefs, articles), nothing that never changes (place, creation), nothing that is empty. Of a cluster also its counts.
Columns of other records (site, cluster of a keyword) are not part of it: they are read as they are at the time of the
question. An edit writes no event and so leaves no snapshot; `updated_at` shows that there was one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Column, String, func, inspect, select
from sqlalchemy.orm import Session

from app.business.base import Json, Values
from app.business.folded_columns import FOLDS
from app.business.planner.models import Cluster, Idea, Keyword, Record

IDS_AT_ONCE = 5_000
NEVER_CHANGES = {"id", "account_id", "site_id", "sector_id", "made_key", "created_at"}
NOT_KEPT = {"updated_at", "version", "archived_at", "writing_run_id", "text_key", "made_version", "checks"}
CLUSTER_FIGURES = ("keyword_count", "idea_count", "total_volume")

Columns = Mapping[str, Column[Any]]
Snapshot = dict[str, JsonValue]
Reader = tuple[Any, Any]
"""How a stored value is parsed (None: unchanged), and the value that stands for its absence."""

_KEPT: dict[type[Record], Columns] = {}
_READERS: dict[type[Record], Mapping[str, Reader]] = {}
_DEFAULTS: dict[type[Record], Mapping[str, Any]] = {}


def kept_columns(model: type[Record]) -> Columns:
    """Name -> column of the values in a snapshot."""
    if model not in _KEPT:
        _KEPT[model] = {
            attribute.key: attribute.columns[0]
            for attribute in inspect(model).column_attrs
            if attribute.key not in NEVER_CHANGES | NOT_KEPT and not _is_left_out(attribute.columns[0])
        }
    return _KEPT[model]


def _is_left_out(column: Column[Any]) -> bool:
    is_endless = isinstance(column.type, String) and column.type.length is None
    return is_endless or FOLDS in column.info


def snapshots(session: Session, model: type[Record], ids: Sequence[int], at: datetime) -> dict[int, Snapshot]:
    """The present values of each of the records, as JSON. `at`: the event's time, which is not stored again."""
    names = list(kept_columns(model))
    columns = [getattr(model, name) for name in names]
    found: dict[int, Snapshot] = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = list(ids[start : start + IDS_AT_ONCE])
        for record_id, *values in session.execute(select(model.id, *columns).where(model.id.in_(some))):
            found[record_id] = _snapshot(zip(names, values, strict=True), at)
        if model is Cluster:
            _add_figures(session, found, some)
    return found


def snapshot_of_new(model: type[Record], values: Values, at: datetime) -> Snapshot:
    """The snapshot of a record that is inserted with these values, without reading it back. A column that they leave
    out is null, or has its constant default."""
    return _snapshot(((name, values.get(name, empty)) for name, empty in _defaults(model).items()), at)


def _snapshot(values: Iterable[tuple[str, Any]], at: datetime) -> Snapshot:
    # An empty value is stored by its absence.
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in values
        if value is not None and value != "" and value != [] and not (name == "status_since" and value == at)
    }


def _defaults(model: type[Record]) -> Mapping[str, Any]:
    """Name -> what a new row has where no value is given."""
    if model not in _DEFAULTS:
        defaults = {name: column.default for name, column in kept_columns(model).items()}
        _DEFAULTS[model] = {name: getattr(default, "arg", None) for name, default in defaults.items()}
    return _DEFAULTS[model]


def _add_figures(session: Session, found: dict[int, Snapshot], ids: Sequence[int]) -> None:
    for cluster_id, figures in _figures(session, ids):
        if cluster_id is not None and cluster_id in found:
            found[cluster_id] |= {name: value for name, value in figures.items() if value}


def _figures(session: Session, ids: Sequence[int]) -> Iterator[tuple[int | None, dict[str, int | None]]]:
    volume = func.coalesce(func.sum(Keyword.volume), 0)
    keywords = select(Keyword.cluster_id, func.count(), volume).where(Keyword.cluster_id.in_(ids))
    for cluster_id, count, total in session.execute(keywords.group_by(Keyword.cluster_id)):
        yield cluster_id, {"keyword_count": count, "total_volume": total}
    ideas = select(Idea.cluster_id, func.count()).where(Idea.cluster_id.in_(ids))
    for cluster_id, count in session.execute(ideas.group_by(Idea.cluster_id)):
        yield cluster_id, {"idea_count": count}


def kept_names(model: type[Record]) -> frozenset[str]:
    """The names that `restored` accepts."""
    return frozenset((*_readers(model), "updated_at"))


def restored(model: type[Record], snapshot: Snapshot, at: datetime, names: Sequence[str]) -> list[Any]:
    """The values of a snapshot, in the order of `names`. `at`: the event's time."""
    readers = _readers(model)
    values: list[Any] = []
    for name in names:
        if name == "updated_at":
            values.append(at)
            continue
        read, empty = readers[name]
        value = snapshot.get(name, at if name == "status_since" else empty)
        values.append(read(value) if read is not None and isinstance(value, str) else value)
    return values


def _readers(model: type[Record]) -> Mapping[str, Reader]:
    if model not in _READERS:
        readers = {name: _reader(column) for name, column in kept_columns(model).items()}
        figures: dict[str, Reader] = dict.fromkeys(CLUSTER_FIGURES, (None, 0)) if model is Cluster else {}
        _READERS[model] = readers | figures
    return _READERS[model]


def _reader(column: Column[Any]) -> Reader:
    kind = column.type.python_type
    read = kind.fromisoformat if issubclass(kind, date) else None
    if column.nullable:
        return read, None
    # Of the columns that are never null only labels are JSON: no labels.
    return read, [] if isinstance(column.type, Json) else "" if kind is str else None
