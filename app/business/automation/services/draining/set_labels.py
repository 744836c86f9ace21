"""The records of which a set's steps change the labels: locked, changed in memory, and written by one statement."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.draining.plain_run import PlainRun
from app.business.automation.services.draining.set_records import (
    PLACE,
    RecordKey,
    read_columns,
    records_by_type,
)
from app.business.base import RowValues
from app.business.folded_columns import with_folded
from app.business.row_sets import update_each


@dataclass
class LabelledRecord:
    """A locked record. values: its columns that the steps' conditions read, after the steps so far."""

    values: dict[str, FieldValue]
    account_id: int
    labels: list[str]
    version: int
    is_changed: bool = False

    def relabel(self, labels: list[str], now: datetime) -> None:
        """Change its labels, if they differ."""
        if labels != self.labels:
            self.labels, self.version, self.is_changed = labels, self.version + 1, True
            self.values |= {"labels": [*labels], "updated_at": now}


def lock_records(session: Session, runs: Iterable[PlainRun]) -> dict[RecordKey, LabelledRecord]:
    """The records of the runs, as far as they exist."""
    found = {}
    runs = list(runs)
    for record_type, ids in records_by_type(runs).items():
        kinds = dict.fromkeys(run.kind for run in runs if run.kind.record_type == record_type)
        nodes = [step.when for kind in kinds for step in kind.steps if step.when is not None]
        columns = dict.fromkeys((*PLACE, "labels", *read_columns(nodes, record_type)))
        for row in session.execute(_locking(record_type, tuple(columns)), {"ids": ids}).mappings():
            record = LabelledRecord(dict(row), row["account_id"], row["labels"], row["version"])
            found[record_type, row["id"]] = record
    return found


def write_labels(session: Session, records: Mapping[RecordKey, LabelledRecord], now: datetime) -> None:
    """Write those that were changed."""
    for record_type in sorted({record_type for record_type, _ in records}):
        model = MODELS[record_type]
        rows: list[RowValues] = [
            {
                "id": record_id,
                "account_id": record.account_id,
                "updated_at": now,
                "version": record.version,
                **with_folded(model, {"labels": record.labels}),
            }
            for (of_type, record_id), record in records.items()
            if of_type == record_type and record.is_changed
        ]
        update_each(session, model, rows)


@lru_cache(maxsize=256)
def _locking(record_type: str, columns: tuple[str, ...]) -> Select[Any]:
    model = MODELS[record_type]
    rows = select(*(getattr(model, name) for name in columns))
    wanted = rows.where(model.id.in_(bindparam("ids", expanding=True))).order_by(model.id)
    return wanted.with_for_update(key_share=True)
