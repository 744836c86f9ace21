"""Rules, their versions and bookkeeping, and runs with their attempts and units of work."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.business.base import AccountOwned, Base, Id, Stamped, Text, one_of, owner_key, same_account


class Cause(StrEnum):
    """What started a run: manual is a browser session, api a key."""

    SCHEDULE = "schedule"
    EVENT = "event"
    MANUAL = "manual"
    API = "api"
    BACKFILL = "backfill"


class Status(StrEnum):
    """A run's state. completed and skipped never change; failed changes only by retry."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


CLOSED = (Status.COMPLETED, Status.FAILED, Status.SKIPPED)


class Waiting(StrEnum):
    """What a pending run waits for."""

    DAY = "day"
    CREDITS = "credits"
    BUDGET = "budget"
    PAUSE = "pause"
    REVIEW = "review"
    PREVIOUS = "previous"


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
    ACTION_FAILED = "action_failed"
    TIMED_OUT = "timed_out"
    WORKER_LOST = "worker_lost"
    PROVIDER_REFUSED = "provider_refused"
    RULE_INVALID = "rule_invalid"


class AutomationRule(AccountOwned, Stamped, Base):
    """When, where, on which records, do what, how often, within which limits.

    Scope: neither site nor sector = the whole account. `unplanned_from` is the first due instant
    of an active schedule rule that has no run row yet.
    """

    __tablename__ = "automation_rule"
    __table_args__ = owner_key(
        same_account("site_id", "site"),
        same_account("sector_id", "sector"),
        one_of("mode", ("live", "shadow")),
        one_of("batching", ("batch", "each")),
        one_of("split_by", ("none", "site")),
        one_of("repeat", ("once", "after_days", "always")),
        one_of("overlap", ("skip", "queue", "allow")),
        one_of("catch_up", ("latest", "all", "none")),
        one_of("when_limited", ("wait", "skip")),
        CheckConstraint("max_executions_per_day >= 1", name="daily_limit_positive"),
        CheckConstraint("credit_limit_per_execution >= 0", name="credit_limit_not_negative"),
        Index(
            "ix_automation_rule_unplanned",
            "unplanned_from",
            sqlite_where=text("unplanned_from IS NOT NULL"),
            postgresql_where=text("unplanned_from IS NOT NULL"),
        ),
        Index(None, "account_id", "trigger", "is_active"),
        Index(None, "account_id", "created_at"),
    )

    site_id: Mapped[int | None] = mapped_column(Id)
    sector_id: Mapped[int | None] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Text(255))
    description: Mapped[str] = mapped_column(Text(), default="")
    trigger: Mapped[str] = mapped_column(Text(50))
    trigger_options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    record_type: Mapped[str | None] = mapped_column(Text(16))
    conditions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actions: Mapped[list[Any]] = mapped_column(default=list)
    schedule: Mapped[dict[str, Any]] = mapped_column(default=dict)
    is_active: Mapped[bool] = mapped_column(default=True)
    max_executions_per_day: Mapped[int] = mapped_column(default=10)
    credit_limit_per_execution: Mapped[int] = mapped_column(default=100)
    record_limit: Mapped[int] = mapped_column(default=50)
    record_minimum: Mapped[int] = mapped_column(default=1)
    batching: Mapped[str] = mapped_column(Text(16), default="batch")
    split_by: Mapped[str] = mapped_column(Text(16), default="none")
    repeat: Mapped[str] = mapped_column(Text(16), default="once")
    repeat_after_days: Mapped[int | None]
    overlap: Mapped[str] = mapped_column(Text(16), default="skip")
    catch_up: Mapped[str] = mapped_column(Text(16), default="latest")
    catch_up_hours: Mapped[int] = mapped_column(default=12)
    when_limited: Mapped[str | None] = mapped_column(Text(16))
    priority: Mapped[int] = mapped_column(default=5)
    mode: Mapped[str] = mapped_column(Text(16), default="live")
    monthly_budget: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1)
    unplanned_from: Mapped[datetime | None]
    created_by_id: Mapped[int | None] = mapped_column(Id)
    updated_by_id: Mapped[int | None] = mapped_column(Id)
    archived_at: Mapped[datetime | None]


class RuleVersion(AccountOwned, Base):
    """A rule's whole definition as it stood from `created_at` on. Runs read this, never the live rule."""

    __tablename__ = "rule_version"
    __table_args__ = owner_key(
        same_account("rule_id", "automation_rule"), UniqueConstraint("rule_id", "version")
    )

    rule_id: Mapped[int] = mapped_column(Id)
    version: Mapped[int]
    definition: Mapped[dict[str, Any]]
    created_by_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]


class RuleDraft(AccountOwned, Stamped, Base):
    """What a person has typed into the rule form and not saved yet: raw input by step, valid or not.

    rule_id, version: the rule that is being changed and its version when the change was begun.
    """

    __tablename__ = "rule_draft"
    __table_args__ = owner_key(
        same_account("user_id", "user"),
        same_account("rule_id", "automation_rule"),
        Index(None, "account_id", "user_id"),
    )

    user_id: Mapped[int] = mapped_column(Id)
    rule_id: Mapped[int | None] = mapped_column(Id)
    version: Mapped[int | None]
    steps: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RuleActivation(AccountOwned, Base):
    """A span in which one version of a schedule rule owed its due instants: (from_at, to_at].

    zones: of a rule split by site, the time zone by the id of each site that was active then.
    """

    __tablename__ = "rule_activation"
    __table_args__ = owner_key(same_account("rule_id", "automation_rule"), Index(None, "rule_id", "from_at"))

    rule_id: Mapped[int] = mapped_column(Id)
    version: Mapped[int]
    from_at: Mapped[datetime]
    to_at: Mapped[datetime | None]
    zones: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RuleRecord(AccountOwned, Base):
    """That a rule has taken a record: claimed by a run, handled, free again, or set aside after failures."""

    __tablename__ = "rule_record"
    __table_args__ = owner_key(
        same_account("rule_id", "automation_rule"),
        one_of("state", ("claimed", "handled", "free", "set_aside")),
        UniqueConstraint("rule_id", "record_type", "record_id"),
        Index(None, "run_id"),
    )

    rule_id: Mapped[int] = mapped_column(Id)
    record_type: Mapped[str] = mapped_column(Text(16))
    record_id: Mapped[int] = mapped_column(Id)
    state: Mapped[str] = mapped_column(Text(16))
    run_id: Mapped[int] = mapped_column(Id)
    failures: Mapped[int] = mapped_column(default=0)
    handled_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class RuleDay(AccountOwned, Base):
    """How many runs a rule (and a site of it, 0 when not split) has used of its daily limit."""

    __tablename__ = "rule_day"
    __table_args__ = owner_key(
        same_account("rule_id", "automation_rule"),
        UniqueConstraint("rule_id", "local_day", "split_site_id"),
        CheckConstraint("used >= 0", name="used_not_negative"),
    )

    rule_id: Mapped[int] = mapped_column(Id)
    local_day: Mapped[date]
    split_site_id: Mapped[int] = mapped_column(Id, default=0)
    used: Mapped[int] = mapped_column(default=0)


class ScheduledTask(AccountOwned, Base):
    """One run of a rule: its row is the truth, jobs only say "look".

    scheduled_at: due instant, event time or click · not_before: earliest next try · lease_token: who may
    write · admitted_at: passed all gates · credits_needed: what a waiting run could not set aside ·
    count, first_at, last_at: of a row that stands for many missed times.
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
        Index(None, "account_id", "scheduled_at", "id"),
        Index(None, "account_id", "status", "scheduled_at", "id"),
        Index(
            "ix_scheduled_task_of_rule", "account_id", "automation_rule_id", "status", "scheduled_at", "id"
        ),
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
    credits_needed: Mapped[int | None]
    queue: Mapped[str] = mapped_column(Text(16))
    priority: Mapped[int] = mapped_column(default=5)
    scheduled_at: Mapped[datetime]
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
    counted_day: Mapped[date | None]
    batch_id: Mapped[int | None] = mapped_column(Id)
    part: Mapped[int | None]
    follows_id: Mapped[int | None] = mapped_column(Id)
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
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error_message: Mapped[str] = mapped_column(Text(), default="")
    count: Mapped[int | None]
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    detail: Mapped["RunDetail"] = relationship(
        primaryjoin="ScheduledTask.id == foreign(RunDetail.run_id)", uselist=False, lazy="raise"
    )


class RunDetail(AccountOwned, Base):
    """What only the run's own page and its worker need, kept apart so that lists stay quick.

    chain: rules that led here · records: ids the run works on (null: chosen when it starts) ·
    options: `even_if_off`, explicit choices of the person · gates, trace: as product pages show them.
    """

    __tablename__ = "run_detail"
    __table_args__ = owner_key(same_account("run_id", "scheduled_task"), UniqueConstraint("run_id"))

    run_id: Mapped[int] = mapped_column(Id)
    chain: Mapped[list[Any]] = mapped_column(default=list)
    records: Mapped[list[Any] | None]
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    gates: Mapped[list[Any]] = mapped_column(default=list)
    trace: Mapped[dict[str, Any] | None]
    error_detail: Mapped[str] = mapped_column(Text(), default="")


class RunAttempt(AccountOwned, Base):
    """One try of a run, from claim to close; every try stays in history."""

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


class ActionRun(AccountOwned, Base):
    """The receipt of one unit: a step's work on one record (clustering: one sector; notify and pause: one).

    `provider_key` goes to the outside provider, so that the same work asked twice is the same work.
    """

    __tablename__ = "action_run"
    __table_args__ = owner_key(
        same_account("run_id", "scheduled_task"),
        one_of("status", ("started", "done", "left_out", "failed")),
        UniqueConstraint("run_id", "step", "record_type", "record_id"),
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
    made: Mapped[dict[str, Any]] = mapped_column(default=dict)
    credits: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(Text(), default="")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class BatchDelivery(AccountOwned, Base):
    """That a batch was handled for a rule, once: how many of its records matched and how many did not."""

    __tablename__ = "batch_delivery"
    __table_args__ = owner_key(
        same_account("batch_id", "event_batch"),
        same_account("rule_id", "automation_rule"),
        UniqueConstraint("batch_id", "rule_id"),
    )

    batch_id: Mapped[int] = mapped_column(Id)
    rule_id: Mapped[int] = mapped_column(Id)
    matched: Mapped[int] = mapped_column(default=0)
    unmatched: Mapped[int] = mapped_column(default=0)
    runs: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
