"""Rules: their definitions, versions and drafts, planned times, and the records they have taken."""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.business.base import (
    AccountOwned,
    Base,
    Id,
    Stamped,
    Text,
    of_account,
    one_of,
    owner_key,
    same_account,
)
from app.business.folded_columns import folded_text
from app.business.folding import name_key


class AutomationRule(AccountOwned, Stamped, Base):
    """The definition of a rule, with its state.

    Scope: neither site nor sector = the whole account. `unplanned_from` is the first due instant of an active scheduled
    rule that has no run row yet. failures_in_a_row: starts that failed since the last completed run (`failing_since`:
    the first of them) · stopped_at: switched off because of them · name_key: normalised name, unique in the account ·
    built_in: what people have it do from other pages; such a rule is archived and in no list, and runs all the same.
    """

    __tablename__ = "automation_rule"
    __table_args__ = owner_key(
        of_account(),
        same_account("site_id", "site"),
        same_account("sector_id", "sector"),
        one_of("mode", ("live", "shadow")),
        one_of("batching", ("batch", "each")),
        one_of("split_by", ("none", "site")),
        one_of("repeat", ("once", "after_days", "always")),
        one_of("overlap", ("skip", "queue", "allow")),
        one_of("catch_up", ("latest", "all", "none")),
        one_of("on_closed_days", ("skip", "move", "run")),
        one_of("when_limited", ("wait", "skip")),
        CheckConstraint("max_executions_per_day >= 1", name="daily_limit_positive"),
        CheckConstraint("credit_limit_per_execution >= 0", name="credit_limit_not_negative"),
        Index(
            "ix_automation_rule_unplanned",
            "unplanned_from",
            sqlite_where=text("unplanned_from IS NOT NULL"),
            postgresql_where=text("unplanned_from IS NOT NULL"),
        ),
        Index(
            "ix_automation_rule_split",
            "account_id",
            sqlite_where=text("split_by = 'site'"),
            postgresql_where=text("split_by = 'site'"),
        ),
        Index(
            "uq_automation_rule_name_key",
            "account_id",
            "name_key",
            unique=True,
            sqlite_where=text("archived_at IS NULL"),
            postgresql_where=text("archived_at IS NULL"),
        ),
        Index(
            "uq_automation_rule_built_in",
            "account_id",
            "built_in",
            unique=True,
            sqlite_where=text("built_in IS NOT NULL"),
            postgresql_where=text("built_in IS NOT NULL"),
        ),
        Index(None, "account_id", "trigger", "is_active"),
        Index(None, "account_id", "created_at"),
    )

    site_id: Mapped[int | None] = mapped_column(Id)
    sector_id: Mapped[int | None] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Text(255))
    name_key: Mapped[str] = mapped_column(Text(), default="", server_default="")
    description: Mapped[str] = mapped_column(Text(), default="")
    name_folded: Mapped[str] = folded_text("name")
    description_folded: Mapped[str] = folded_text("description")
    trigger: Mapped[str] = mapped_column(Text(50))
    trigger_options: Mapped[dict[str, JsonValue]] = mapped_column(default=dict)
    record_type: Mapped[str | None] = mapped_column(Text(16))
    conditions: Mapped[dict[str, JsonValue]] = mapped_column(default=dict)
    actions: Mapped[list[JsonValue]] = mapped_column(default=list)
    schedule: Mapped[dict[str, JsonValue]] = mapped_column(default=dict)
    is_active: Mapped[bool] = mapped_column(default=True)
    max_executions_per_day: Mapped[int] = mapped_column(default=10)
    credit_limit_per_execution: Mapped[int] = mapped_column(default=100)
    record_limit: Mapped[int] = mapped_column(default=50)
    record_minimum: Mapped[int] = mapped_column(default=1)
    order: Mapped[str] = mapped_column(Text(64), default="oldest")
    batching: Mapped[str] = mapped_column(Text(16), default="batch")
    split_by: Mapped[str] = mapped_column(Text(16), default="none")
    repeat: Mapped[str] = mapped_column(Text(16), default="once")
    repeat_after_days: Mapped[int | None]
    overlap: Mapped[str] = mapped_column(Text(16), default="skip")
    catch_up: Mapped[str] = mapped_column(Text(16), default="latest")
    catch_up_hours: Mapped[int] = mapped_column(default=12)
    on_closed_days: Mapped[str] = mapped_column(Text(16), default="skip", server_default="skip")
    when_limited: Mapped[str | None] = mapped_column(Text(16))
    priority: Mapped[int] = mapped_column(default=5)
    mode: Mapped[str] = mapped_column(Text(16), default="live")
    monthly_budget: Mapped[int | None]
    stop_after_failures: Mapped[int] = mapped_column(default=5)
    failures_in_a_row: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    unplanned_from: Mapped[datetime | None]
    created_by_id: Mapped[int | None] = mapped_column(Id)
    updated_by_id: Mapped[int | None] = mapped_column(Id)
    archived_at: Mapped[datetime | None]
    built_in: Mapped[str | None] = mapped_column(Text(16))

    @validates("name")
    def _key_of_name(self, _attribute: str, name: str) -> str:
        self.name_key = name_key(name)
        return name


class RuleVersion(AccountOwned, Base):
    """A rule's complete definition from `created_at` on. Runs read this, never the live rule."""

    __tablename__ = "rule_version"
    __table_args__ = owner_key(
        same_account("rule_id", "automation_rule"), UniqueConstraint("rule_id", "version")
    )

    rule_id: Mapped[int] = mapped_column(Id)
    version: Mapped[int]
    definition: Mapped[dict[str, JsonValue]]
    created_by_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]


class RuleDraft(AccountOwned, Stamped, Base):
    """Input of the rule form that is not saved yet: raw input by step, valid or not.

    rule_id, version: the rule being changed, and its version when editing began.
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
    steps: Mapped[dict[str, list[list[str]]]] = mapped_column(default=dict)


class RuleActivation(AccountOwned, Base):
    """A period (from_at, to_at] in which the due instants of one version of a scheduled rule must have runs.

    zones: of a rule split by site, site id -> time zone of the sites that were active then.
    """

    __tablename__ = "rule_activation"
    __table_args__ = owner_key(same_account("rule_id", "automation_rule"), Index(None, "rule_id", "from_at"))

    rule_id: Mapped[int] = mapped_column(Id)
    version: Mapped[int]
    from_at: Mapped[datetime]
    to_at: Mapped[datetime | None]
    zones: Mapped[dict[str, str]] = mapped_column(default=dict)


class RuleRecord(AccountOwned, Base):
    """A record that a rule has taken: claimed by a run, handled, free again, or set aside after failures.

    run_id: the run that took it last · unfinished_run_id: the run that did part of the work on it, from where a later
    run continues (null: nothing is begun, or all is done).
    """

    __tablename__ = "rule_record"
    __table_args__ = owner_key(
        same_account("rule_id", "automation_rule"),
        one_of("state", ("claimed", "handled", "free", "set_aside")),
        UniqueConstraint("rule_id", "record_type", "record_id"),
        Index(None, "run_id"),
        Index(
            "ix_rule_record_claimed",
            "rule_id",
            "record_type",
            sqlite_where=text("state = 'claimed'"),
            postgresql_where=text("state = 'claimed'"),
        ),
        Index(
            "ix_rule_record_unfinished",
            "rule_id",
            "record_type",
            sqlite_where=text("unfinished_run_id IS NOT NULL"),
            postgresql_where=text("unfinished_run_id IS NOT NULL"),
        ),
    )

    rule_id: Mapped[int] = mapped_column(Id)
    record_type: Mapped[str] = mapped_column(Text(16))
    record_id: Mapped[int] = mapped_column(Id)
    state: Mapped[str] = mapped_column(Text(16))
    run_id: Mapped[int] = mapped_column(Id)
    unfinished_run_id: Mapped[int | None] = mapped_column(Id)
    failures: Mapped[int] = mapped_column(default=0)
    handled_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class RuleDay(AccountOwned, Base):
    """The number of runs that a rule (and a site of it, 0 when not split) has used of its daily limit."""

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


class RuleFailure(AccountOwned, Base):
    """A start, batch or planned time that has failed since the rule's last completed run: it counts once."""

    __tablename__ = "rule_failure"
    __table_args__ = owner_key(
        same_account("rule_id", "automation_rule"), UniqueConstraint("rule_id", "start_key")
    )

    rule_id: Mapped[int] = mapped_column(Id)
    start_key: Mapped[str] = mapped_column(Text(64))
    run_id: Mapped[int] = mapped_column(Id)
    created_at: Mapped[datetime]
