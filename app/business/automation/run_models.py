"""Runs: their states, what only their own page and worker read of them, and their attempts."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ColumnElement, Index, UniqueConstraint, func, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.business.automation.run_documents import (
    ConditionTrace,
    ExhaustedBudget,
    GateLine,
    RunOptions,
    RunResult,
)
from app.business.base import AccountOwned, Base, Id, Json, Text, one_of, owner_key, same_account


class Cause(StrEnum):
    """What started a run: manual is a browser session, api a key."""

    SCHEDULE = "schedule"
    EVENT = "event"
    MANUAL = "manual"
    API = "api"
    BACKFILL = "backfill"


class Status(StrEnum):
    """A run's state. completed and skipped are final; failed changes only by retry."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


CLOSED = (Status.COMPLETED, Status.FAILED, Status.SKIPPED)
USED_CREDITS = text("credits_used <> 0")
PROMISED = text("promised IS NOT NULL OR max_credits IS NOT NULL")
"""What the audit compares with rows of other tables; few runs have either."""


class Waiting(StrEnum):
    """What a pending run waits for."""

    DAY = "day"
    CREDITS = "credits"
    BUDGET = "budget"
    PAUSE = "pause"
    REVIEW = "review"
    PREVIOUS = "previous"
    PERSON = "person"


class Reason(StrEnum):
    """Why a run was skipped or failed."""

    INACTIVE = "inactive"
    ACCOUNT_INACTIVE = "account_inactive"
    PAUSED = "paused"
    LOOP = "loop"
    OVERLAP = "overlap"
    CONDITIONS = "conditions"
    DAILY_LIMIT = "daily_limit"
    LIMIT_BELOW_PRICE = "limit_below_price"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    BUDGET = "budget"
    MISSED = "missed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    SHADOW = "shadow"
    CLOSED_DAY = "closed_day"
    ACTION_FAILED = "action_failed"
    TIMED_OUT = "timed_out"
    WORKER_LOST = "worker_lost"
    PROVIDER_REFUSED = "provider_refused"
    RULE_INVALID = "rule_invalid"


class ScheduledTask(AccountOwned, Base):
    """One run of a rule. Its row is the source of truth; jobs only wake a worker.

    scheduled_at: due instant, event time or click · moved_to_at: the later start of a due instant at which the calendar
    is closed · not_before: earliest start · retry_at: next attempt of a run that failed because a service was
    unavailable · lease_token: which worker may write · admitted_at: when it passed all gates · credits_needed: what a
    waiting run could not reserve · count, first_at, last_at: of a row that stands for many missed times ·
    waits_for_run_id: for runs that wait for the previous one, the run that holds their records (null: they wait for
    their turn). A pending run with the reason closed_day is skipped when its time comes.

    start_id: the first run of the start that this one continues, or shares with other sites (null on that one) ·
    max_credits: on the first run, the limit of it and all its follow-ups together (null: none) · promised: records that
    this run and its follow-ups have to process (null: nothing was promised) · left_out: those of them that it does not
    process · remaining: those that wait until a person continues the work · budget: the one that stopped it or that it
    waits for: scope, id, name and period · undo_id: the operation that undoes it, or did last.
    """

    __tablename__ = "scheduled_task"
    __table_args__ = owner_key(
        same_account("automation_rule_id", "automation_rule"),
        one_of("cause", list(Cause)),
        one_of("status", list(Status)),
        Index(
            "uq_scheduled_task_due",
            "automation_rule_id",
            "scheduled_at",
            "split_site_id",
            unique=True,
            sqlite_where=text("cause = 'schedule' AND follows_id IS NULL"),
            postgresql_where=text("cause = 'schedule' AND follows_id IS NULL"),
        ),
        UniqueConstraint("batch_id", "automation_rule_id", "part"),
        UniqueConstraint("follows_id"),
        UniqueConstraint("automation_rule_id", "request_key"),
        Index(
            "uq_scheduled_task_one_running",
            "automation_rule_id",
            unique=True,
            sqlite_where=text("status = 'running' AND cause IN ('event', 'backfill')"),
            postgresql_where=text("status = 'running' AND cause IN ('event', 'backfill')"),
        ),
        Index(
            "ix_scheduled_task_ready",
            "queue",
            "priority",
            "scheduled_at",
            "id",
            sqlite_where=text("status = 'pending' AND waiting_for IS NULL"),
            postgresql_where=text("status = 'pending' AND waiting_for IS NULL"),
        ),
        Index(
            "ix_scheduled_task_in_turn",
            "queue",
            "account_id",
            "priority",
            "scheduled_at",
            "id",
            sqlite_where=text("status = 'pending' AND waiting_for IS NULL"),
            postgresql_where=text("status = 'pending' AND waiting_for IS NULL"),
        ),
        Index(
            "ix_scheduled_task_leased",
            "lease_until",
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
        Index(
            "ix_scheduled_task_waiting",
            "account_id",
            "waiting_for",
            sqlite_where=text("waiting_for IS NOT NULL"),
            postgresql_where=text("waiting_for IS NOT NULL"),
        ),
        Index(
            "ix_scheduled_task_waiting_of_rule",
            "automation_rule_id",
            "waiting_for",
            "waits_for_run_id",
            "priority",
            "scheduled_at",
            "id",
            sqlite_where=text("waiting_for IS NOT NULL"),
            postgresql_where=text("waiting_for IS NOT NULL"),
        ),
        Index(
            "ix_scheduled_task_waiting_until",
            "waiting_for",
            "not_before",
            sqlite_where=text("waiting_for IS NOT NULL"),
            postgresql_where=text("waiting_for IS NOT NULL"),
        ),
        Index(
            "ix_scheduled_task_start",
            "start_id",
            sqlite_where=text("start_id IS NOT NULL"),
            postgresql_where=text("start_id IS NOT NULL"),
        ),
        Index(
            "ix_scheduled_task_retry",
            "account_id",
            "retry_at",
            sqlite_where=text("retry_at IS NOT NULL"),
            postgresql_where=text("retry_at IS NOT NULL"),
        ),
        Index(None, "account_id", "scheduled_at", "id"),
        # The last columns of these answer a second filter, and counts, without the rows themselves.
        Index(
            "ix_scheduled_task_status",
            "account_id",
            "status",
            "scheduled_at",
            "id",
            "undo_id",
            "site_id",
            "reason",
        ),
        Index(
            "ix_scheduled_task_of_rule",
            "account_id",
            "automation_rule_id",
            "status",
            "scheduled_at",
            "id",
            "site_id",
            "cause",
            "reason",
            "user_id",
        ),
        Index(
            "ix_scheduled_task_rule_cause",
            "account_id",
            "automation_rule_id",
            "cause",
            "status",
            "scheduled_at",
            "id",
            "site_id",
            "reason",
            sqlite_where=text("cause != 'event'"),
            postgresql_where=text("cause != 'event'"),
        ),
        Index(
            "ix_scheduled_task_cause",
            "account_id",
            "cause",
            "status",
            "scheduled_at",
            "id",
            "automation_rule_id",
            "site_id",
            "reason",
        ),
        Index(
            "ix_scheduled_task_reason",
            "account_id",
            "status",
            "reason",
            "scheduled_at",
            "id",
            sqlite_where=text("reason IS NOT NULL"),
            postgresql_where=text("reason IS NOT NULL"),
        ),
        Index(
            "ix_scheduled_task_site",
            "account_id",
            "site_id",
            "status",
            "scheduled_at",
            "id",
            "automation_rule_id",
            "cause",
            "reason",
            "user_id",
        ),
        Index(
            "ix_scheduled_task_site_cause",
            "account_id",
            "site_id",
            "cause",
            "status",
            "scheduled_at",
            "id",
            "reason",
            sqlite_where=text("cause != 'event'"),
            postgresql_where=text("cause != 'event'"),
        ),
        Index(
            "ix_scheduled_task_charged",
            "account_id",
            "scheduled_at",
            "id",
            "credits_used",
            "status",
            "automation_rule_id",
            "site_id",
            sqlite_where=text("credits_used > 0"),
            postgresql_where=text("credits_used > 0"),
        ),
        Index(
            "ix_scheduled_task_charged_status",
            "account_id",
            "status",
            "scheduled_at",
            "id",
            "credits_used",
            "automation_rule_id",
            "site_id",
            sqlite_where=text("credits_used > 0"),
            postgresql_where=text("credits_used > 0"),
        ),
        Index(
            "ix_scheduled_task_user",
            "account_id",
            "user_id",
            "scheduled_at",
            "id",
            "status",
            "automation_rule_id",
            "site_id",
            "reason",
            sqlite_where=text("user_id IS NOT NULL"),
            postgresql_where=text("user_id IS NOT NULL"),
        ),
        Index(
            "ix_scheduled_task_used_credits", "id", sqlite_where=USED_CREDITS, postgresql_where=USED_CREDITS
        ),
        Index("ix_scheduled_task_promised", "id", sqlite_where=PROMISED, postgresql_where=PROMISED),
        CheckConstraint("credits_used >= 0", name="credits_not_negative"),
    )

    automation_rule_id: Mapped[int] = mapped_column(Id)
    rule_name: Mapped[str] = mapped_column(Text(255))
    rule_version: Mapped[int]
    site_id: Mapped[int | None] = mapped_column(Id)
    sector_id: Mapped[int | None] = mapped_column(Id)
    split_site_id: Mapped[int] = mapped_column(Id, default=0)
    cause: Mapped[str] = mapped_column(Text(16))
    status: Mapped[str] = mapped_column(Text(16), default=Status.PENDING)
    reason: Mapped[str | None] = mapped_column(Text(32))
    waiting_for: Mapped[str | None] = mapped_column(Text(16))
    waiting_since: Mapped[datetime | None]
    waits_for_run_id: Mapped[int | None] = mapped_column(Id)
    credits_needed: Mapped[int | None]
    queue: Mapped[str] = mapped_column(Text(16))
    priority: Mapped[int] = mapped_column(default=5)
    scheduled_at: Mapped[datetime]
    moved_to_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    admitted_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(Text(32))
    lease_until: Mapped[datetime | None]
    worker: Mapped[str | None] = mapped_column(Text(128))
    attempt: Mapped[int] = mapped_column(default=0)
    rescues: Mapped[int] = mapped_column(default=0)
    auto_retries: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]
    counted_day: Mapped[date | None]
    budget_day: Mapped[date | None]
    budget: Mapped[ExhaustedBudget | None] = mapped_column(Json)
    batch_id: Mapped[int | None] = mapped_column(Id)
    part: Mapped[int | None]
    follows_id: Mapped[int | None] = mapped_column(Id)
    start_id: Mapped[int | None] = mapped_column(Id)
    max_credits: Mapped[int | None]
    promised: Mapped[int | None]
    left_out: Mapped[int] = mapped_column(default=0, server_default="0")
    remaining: Mapped[int] = mapped_column(default=0, server_default="0")
    from_step: Mapped[int] = mapped_column(default=0)
    request_key: Mapped[str | None] = mapped_column(Text(255))
    request_hash: Mapped[str | None] = mapped_column(Text(64))
    root_id: Mapped[int | None] = mapped_column(Id)
    depth: Mapped[int] = mapped_column(default=0)
    user_id: Mapped[int | None] = mapped_column(Id)
    api_key_id: Mapped[int | None] = mapped_column(Id)
    record_type: Mapped[str | None] = mapped_column(Text(16))
    record_count: Mapped[int] = mapped_column(default=0)
    credits_used: Mapped[int] = mapped_column(default=0)
    result: Mapped[RunResult] = mapped_column(Json, default=dict)
    error_message: Mapped[str] = mapped_column(Text(), default="")
    count: Mapped[int | None]
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    undo_id: Mapped[int | None] = mapped_column(Id)
    detail: Mapped["RunDetail"] = relationship(
        primaryjoin="ScheduledTask.id == foreign(RunDetail.run_id)", uselist=False, lazy="raise"
    )

    @hybrid_property
    def begins_at(self) -> datetime:
        """When it was to start: its planned time, or the one it was moved to."""
        return self.moved_to_at or self.scheduled_at

    @begins_at.inplace.expression
    @classmethod
    def _begins_at(cls) -> ColumnElement[datetime]:
        return func.coalesce(cls.moved_to_at, cls.scheduled_at)


class RunDetail(AccountOwned, Base):
    """Data for the run's own page and its worker only, in a separate table so that lists stay fast.

    chain: ids of the rules that led here · records: ids the run works on (null: selected when it starts) · options:
    `even_if_off`, explicit choices of the person · gates, trace: in the form that pages show · start_records: on a
    start's first run, all its records if they exceed one run.
    """

    __tablename__ = "run_detail"
    __table_args__ = owner_key(same_account("run_id", "scheduled_task"), UniqueConstraint("run_id"))

    run_id: Mapped[int] = mapped_column(Id)
    chain: Mapped[list[int]] = mapped_column(default=list)
    records: Mapped[list[int] | None]
    options: Mapped[RunOptions] = mapped_column(Json, default=dict)
    gates: Mapped[list[GateLine]] = mapped_column(Json, default=list)
    trace: Mapped[ConditionTrace | None] = mapped_column(Json)
    start_records: Mapped[list[int] | None] = mapped_column(deferred=True)
    error_detail: Mapped[str] = mapped_column(Text(), default="")


class RunAttempt(AccountOwned, Base):
    """One attempt of a run, from claim to close; all attempts are kept."""

    __tablename__ = "run_attempt"
    __table_args__ = owner_key(same_account("run_id", "scheduled_task"), UniqueConstraint("run_id", "number"))

    run_id: Mapped[int] = mapped_column(Id)
    number: Mapped[int]
    worker: Mapped[str] = mapped_column(Text(128))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(Text(16), default=Status.RUNNING)
    reason: Mapped[str | None] = mapped_column(Text(32))
    error_message: Mapped[str] = mapped_column(Text(), default="")
    credits_used: Mapped[int] = mapped_column(default=0)
