"""Carrying out the undo of a run: some records in each transaction, each of them wholly or not at all."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel
from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.operations.undo.footprint import UndoneRun
from app.business.automation.services.operations.undo.verdicts import Foreseen, UndoVerdict, decide
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.base import Assigned
from app.business.planner.models import Keyword, KeywordStatus, Record
from app.business.planner.services.record_archive import archive


class LeftRecord(BaseModel):
    """A record that stays as it is."""

    type: str
    id: int
    reason: str


class StoredTally(BaseModel):
    """A tally as it is kept with its operation."""

    archived: dict[str, int] = {}
    restored: dict[str, int] = {}
    left: list[LeftRecord] = []


@dataclass
class Tally:
    """What an undo has done, or would do: numbers by type, and the records that stay with the reason."""

    archived: Counter[str] = field(default_factory=Counter)
    restored: Counter[str] = field(default_factory=Counter)
    left: dict[tuple[str, int], str] = field(default_factory=dict)

    @classmethod
    def read(cls, result: Stored) -> Self:
        stored = StoredTally.model_validate(result)
        left = {(row.type, row.id): row.reason for row in stored.left}
        return cls(Counter(stored.archived), Counter(stored.restored), left)

    def as_result(self) -> JsonObject:
        left = [LeftRecord(type=name, id=key, reason=why) for (name, key), why in self.left.items()]
        stored = StoredTally(archived=dict(self.archived), restored=dict(self.restored), left=left)
        return stored.model_dump(mode="json")

    def note(self, record_type: str, verdict: UndoVerdict) -> None:
        key = (record_type, verdict.record.id)
        self.left.pop(key, None)
        self.archived[record_type] += verdict.archive
        self.restored["keyword"] += len(verdict.keywords)
        self.restored[record_type] += verdict.restored is not None
        if verdict.left:
            self.left[key] = verdict.left
        self.archived, self.restored = +self.archived, +self.restored


@dataclass(frozen=True)
class Undoing:
    """Who undoes which run, in which operation."""

    run: UndoneRun
    operation_id: int
    actor: AuditActor

    @property
    def said(self) -> JsonObject:
        return {"run": self.run.id, "operation": self.operation_id}


def undo_some(
    session: Session, undoing: Undoing, record_type: str, ids: Sequence[int], tally: Tally, now: datetime
) -> None:
    """Undo what the run left on these records, in the caller's transaction."""
    model = MODELS[record_type]
    own = model.account_id == undoing.run.account_id, model.id.in_(ids)
    locked = select(model).where(*own).order_by(model.id).with_for_update()
    records = session.scalars(locked.execution_options(populate_existing=True)).all()
    for verdict in list(decide(session, undoing.run, record_type, records, Foreseen())):
        _carry_out(session, undoing, verdict, now)
        tally.note(record_type, verdict)


def _carry_out(session: Session, undoing: Undoing, verdict: UndoVerdict, now: datetime) -> None:
    if verdict.keywords:
        _release(session, undoing, verdict, now)
    if verdict.archive:
        data = undoing.said | ({"keywords": list(verdict.keywords)} if verdict.keywords else {})
        archive(session, verdict.record, actor=undoing.actor, now=now, data=data)
    elif verdict.restored:
        _give_back(session, undoing, verdict, verdict.restored, now)


def _release(session: Session, undoing: Undoing, verdict: UndoVerdict, now: datetime) -> None:
    """The keywords of a cluster that goes are new again. No event: undoing starts no rule."""
    ours = update(Keyword).where(
        Keyword.account_id == undoing.run.account_id,
        Keyword.id.in_(verdict.keywords),
        Keyword.cluster_id == verdict.record.id,
        Keyword.status == KeywordStatus.CLUSTERED,
    )
    session.execute(
        ours.values(**_status(Keyword, KeywordStatus.NEW, now)),
        execution_options={"synchronize_session": False},
    )


def _give_back(session: Session, undoing: Undoing, verdict: UndoVerdict, status: str, now: datetime) -> None:
    record: Any = verdict.record
    model, former = type(record), record.status
    # Where only this run has changed it since its maker did, it counts as untouched again: that can be undone next.
    is_ours = record.made_by_run_id == undoing.run.id
    as_made = model.made_version + (0 if is_ours else verdict.changes) == model.version
    made_version = case((as_made, model.version + 1), else_=model.made_version)
    session.execute(
        update(model)
        .where(model.account_id == record.account_id, model.id == record.id, model.version == record.version)
        .values(**_status(model, status, now), made_version=made_version),
        execution_options={"synchronize_session": False},
    )
    said = undoing.said | {"from": former, "to": status}
    action = f"{record.__tablename__}.status_given_back"
    audit_log.record(session, record.account_id, undoing.actor, action, record, said, now)


def _status(model: type[Record], status: str, now: datetime) -> dict[str, Assigned]:
    values: dict[str, Assigned] = {
        "status": status,
        "status_since": now,
        "updated_at": now,
        "version": model.version + 1,
    }
    if model is Keyword and status == KeywordStatus.NEW:
        return values | {"cluster_id": None, "cluster_tried_at": None}
    return values
