"""The records of which a set's steps change the labels: changed in memory, and written by one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.draining.set_records import RecordKey
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


def labelled(seen: Mapping[RecordKey, Mapping[str, Any]]) -> dict[RecordKey, LabelledRecord]:
    """The records as the steps change them, beside what the conditions of the rules have seen."""
    return {
        key: LabelledRecord(dict(row), row["account_id"], row["labels"], row["version"])
        for key, row in seen.items()
    }


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
