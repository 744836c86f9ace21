"""The units of a run's work, and the parts of those that ask an AI service several times."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, one_of, owner_key, same_account


class ActionRun(AccountOwned, Base):
    """The receipt of one unit: a step's work on one record (clustering: one sector; notify and pause: one).

    `provider_key` is the idempotency key for the external provider. `done_by_run_id`: an earlier run of the rule did
    this unit, so this run, which continues from there, does not repeat it.
    model, prompt_version, tokens_in, tokens_out, ai_cost: what was asked of an AI service, over all attempts; the cost
    in millionths, null where prices are not known.
    near_doubles: ideas not made because they would compete with other pages.
    """

    __tablename__ = "action_run"
    __table_args__ = owner_key(
        same_account("run_id", "scheduled_task"),
        one_of("status", ("started", "done", "left_out", "failed")),
        UniqueConstraint("run_id", "step", "record_type", "record_id"),
        Index(
            "ix_action_run_charged",
            "account_id",
            "provider_key",
            sqlite_where=text("credits > 0"),
            postgresql_where=text("credits > 0"),
        ),
    )

    run_id: Mapped[int] = mapped_column(Id)
    step: Mapped[int]
    type: Mapped[str] = mapped_column(Text(32))
    record_type: Mapped[str] = mapped_column(Text(16))
    record_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(Text(16))
    provider_key: Mapped[str] = mapped_column(Text(64))
    attempts: Mapped[int] = mapped_column(default=1)
    records: Mapped[int] = mapped_column(default=0)
    made: Mapped[dict[str, list[int]]] = mapped_column(default=dict)
    credits: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(Text(), default="")
    model: Mapped[str] = mapped_column(Text(255), default="", server_default="")
    prompt_version: Mapped[str] = mapped_column(Text(32), default="", server_default="")
    tokens_in: Mapped[int] = mapped_column(default=0, server_default="0")
    tokens_out: Mapped[int] = mapped_column(default=0, server_default="0")
    ai_cost: Mapped[int | None] = mapped_column(Id)
    near_doubles: Mapped[int] = mapped_column(default=0, server_default="0")
    done_by_run_id: Mapped[int | None] = mapped_column(Id)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class UnitPart(AccountOwned, Base):
    """One part of a unit that asks an AI service several times: kept until the unit is done.

    number: from 1, in the order of the calls · key: for the provider, `r12-s0-45-p3` · attempt: of the run.
    """

    __tablename__ = "unit_part"
    __table_args__ = owner_key(
        same_account("run_id", "scheduled_task"), UniqueConstraint("run_id", "step", "record_id", "number")
    )

    run_id: Mapped[int] = mapped_column(Id)
    step: Mapped[int]
    record_id: Mapped[int] = mapped_column(Id)
    number: Mapped[int]
    key: Mapped[str] = mapped_column(Text(64))
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(Text(16))
    data: Mapped[dict[str, JsonValue]]
    created_at: Mapped[datetime]
