"""Accounts, their people, sign-in sessions, API keys, and the record of who changed what."""

from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

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


class AccountStatus(StrEnum):
    """Only active accounts run rules and receive credits."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Role(StrEnum):
    """Roles in rising order: each may do all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    OWNER = "owner"

    def allows(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)

    @property
    def holders(self) -> str:
        """Those who have it, or one above it: `editors and owners`."""
        *others, last = [f"{role}s" for role in Role if role.allows(self)]
        if self is Role.VIEWER:
            return "everybody of the account"
        return f"{', '.join(others)} and {last}" if others else last


class KeyScope(StrEnum):
    """What an API key may be limited to. Each call needs exactly one of them; none contains another."""

    READ = "read"
    RUN = "run"
    WRITE = "write"
    ADMIN = "admin"


class Account(Stamped, Base):
    """A customer: its zone, plan and credits (balance = sum of its credit entries; held = set aside).

    minutes_saved: minutes that a person takes for a record, by its type, where they are not the usual ones ·
    second_factor_required: of people without it nothing is accepted until they have set it up ·
    rule_approval_required: what makes a rule act live, or otherwise than before, is applied by a second person only.
    """

    __tablename__ = "account"
    __table_args__ = (
        one_of("status", list(AccountStatus)),
        CheckConstraint("credits_balance >= 0", name="balance_not_negative"),
        CheckConstraint("credits_held >= 0 AND credits_held <= credits_balance", name="held_within_balance"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text(255))
    status: Mapped[str] = mapped_column(Text(20), default=AccountStatus.ACTIVE)
    timezone: Mapped[str] = mapped_column(Text(64), default="UTC")
    plan_id: Mapped[int | None] = mapped_column(Id, ForeignKey("plan.id", ondelete="RESTRICT"))
    is_demo: Mapped[bool] = mapped_column(default=False)
    credits_balance: Mapped[int] = mapped_column(default=0)
    credits_held: Mapped[int] = mapped_column(default=0)
    daily_ceiling: Mapped[int | None]
    operator_credit_limit: Mapped[int] = mapped_column(default=100)
    chain_notice_credits: Mapped[int | None]
    minutes_saved: Mapped[dict[str, int] | None]
    second_factor_required: Mapped[bool] = mapped_column(default=False, server_default=false())
    rule_approval_required: Mapped[bool] = mapped_column(default=False, server_default=false())
    paused_at: Mapped[datetime | None]
    paused_by_id: Mapped[int | None] = mapped_column(Id)
    name_folded: Mapped[str] = folded_text("name")

    @property
    def credits_available(self) -> int:
        """Credits that can still be set aside for a run."""
        return self.credits_balance - self.credits_held


class User(AccountOwned, Stamped, Base):
    """A person of one account. Without a password they can sign in only by a one-use link.

    site_ids: the sites whose rows they see; null: all · may_approve: viewers who approve articles and send them back.
    """

    __tablename__ = "user"
    __table_args__ = owner_key(of_account(), one_of("role", list(Role)), UniqueConstraint("email"))

    email: Mapped[str] = mapped_column(Text(255))
    name: Mapped[str] = mapped_column(Text(255), default="")
    password_hash: Mapped[str | None] = mapped_column(Text(255))
    role: Mapped[str] = mapped_column(Text(20))
    timezone: Mapped[str | None] = mapped_column(Text(64))
    is_active: Mapped[bool] = mapped_column(default=True)
    signed_in_at: Mapped[datetime | None]
    site_ids: Mapped[list[int] | None]
    may_approve: Mapped[bool] = mapped_column(default=False, server_default=false())
    email_folded: Mapped[str] = folded_text("email")
    name_folded: Mapped[str] = folded_text("name")
    account: Mapped[Account] = relationship(foreign_keys="User.account_id")


class UserSession(AccountOwned, Base):
    """A signed-in browser. Only the hash of its token is kept; deleting the row signs it out at once.

    seen_at, seen_from: its last request, and the address from which that came · is_waiting: the password was right, and
    the second factor is not given yet: until then it opens nothing · by_passkey: a passkey, which stands for both
    factors, began or confirmed it.
    """

    __tablename__ = "user_session"
    __table_args__ = owner_key(same_account("user_id", "user"), UniqueConstraint("token_hash"))

    user_id: Mapped[int] = mapped_column(Id)
    token_hash: Mapped[str] = mapped_column(Text(64))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    seen_from: Mapped[str] = mapped_column(Text(64), default="", server_default="")
    user_agent: Mapped[str] = mapped_column(Text(255), default="")
    is_waiting: Mapped[bool] = mapped_column(default=False, server_default=false())
    by_passkey: Mapped[bool] = mapped_column(default=False, server_default=false())


class WelcomeLink(AccountOwned, Base):
    """A one-use sign-in link; only its hash is kept."""

    __tablename__ = "welcome_link"
    __table_args__ = owner_key(same_account("user_id", "user"), UniqueConstraint("token_hash"))

    user_id: Mapped[int] = mapped_column(Id)
    token_hash: Mapped[str] = mapped_column(Text(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class FormRequest(AccountOwned, Base):
    """A form that was sent: its key is used up, and `location` is where the first submission led."""

    __tablename__ = "form_request"
    __table_args__ = owner_key(
        same_account("user_id", "user"),
        UniqueConstraint("account_id", "key"),
        Index(None, "account_id", "created_at"),
    )

    user_id: Mapped[int] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Text(64))
    location: Mapped[str] = mapped_column(Text(2000))
    created_at: Mapped[datetime]


class ApiRequest(AccountOwned, Base):
    """A request of the REST API with an Idempotency-Key, and what was answered.

    fingerprint: of what was sent · sealed: the answer, encrypted because it may show a secret once; null while the
    request is at work, and where it ended before it was answered.
    """

    __tablename__ = "api_request"
    __table_args__ = owner_key(
        same_account("user_id", "user"),
        UniqueConstraint("account_id", "user_id", "key"),
        Index(None, "account_id", "created_at"),
    )

    user_id: Mapped[int] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Text(255))
    fingerprint: Mapped[str] = mapped_column(Text(64))
    sealed: Mapped[str | None] = mapped_column(Text())
    created_at: Mapped[datetime]


class ApiKey(AccountOwned, Base):
    """A key for the REST API: acts with its creator's role. Shown once; only its hash is kept.

    scopes: the kinds of calls it may make; null: all that the role may · site_ids: the sites whose rows it sees; null:
    all · the two limits: null for the usual ones · used_from: the address of its last use.
    """

    __tablename__ = "api_key"
    __table_args__ = owner_key(same_account("user_id", "user"), UniqueConstraint("key_hash"))

    user_id: Mapped[int] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Text(255))
    prefix: Mapped[str] = mapped_column(Text(16))
    key_hash: Mapped[str] = mapped_column(Text(64))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    scopes: Mapped[list[str] | None]
    site_ids: Mapped[list[int] | None]
    expires_at: Mapped[datetime | None]
    requests_per_minute: Mapped[int | None]
    changes_per_minute: Mapped[int | None]
    used_from: Mapped[str | None] = mapped_column(Text(64))

    def may(self, scope: KeyScope | None) -> bool:
        """Whether the key may make calls of this scope; a call without one is only for keys without scopes."""
        return self.scopes is None or scope in self.scopes


class AuditEntry(AccountOwned, Base):
    """Who did what to which row, when. Append-only."""

    __tablename__ = "audit_entry"
    __table_args__ = owner_key(
        of_account(),
        Index(None, "account_id", "created_at"),
        Index(None, "account_id", "action", "id"),
        Index(None, "account_id", "subject_type", "id"),
        Index(None, "account_id", "subject_id", "id"),
        Index(None, "account_id", "user_id", "id"),
        Index(
            "ix_audit_entry_api_key",
            "account_id",
            "api_key_id",
            "id",
            sqlite_where=text("api_key_id IS NOT NULL"),
            postgresql_where=text("api_key_id IS NOT NULL"),
        ),
        Index(
            "ix_audit_entry_by_nobody",
            "account_id",
            # Says nothing, but else SQLite believes that the index above, with one column more, must be better.
            "user_id",
            "id",
            sqlite_where=text("user_id IS NULL"),
            postgresql_where=text("user_id IS NULL"),
        ),
    )

    user_id: Mapped[int | None] = mapped_column(Id)
    api_key_id: Mapped[int | None] = mapped_column(Id)
    action: Mapped[str] = mapped_column(Text(64))
    subject_type: Mapped[str] = mapped_column(Text(64))
    subject_id: Mapped[int | None] = mapped_column(Id)
    data: Mapped[dict[str, JsonValue] | None]
    created_at: Mapped[datetime]


class Notice(AccountOwned, Base):
    """A message to the account's people, shown in the console. One `key` has at most one unread notice.

    kind: what people choose by, how they are told · about_site_id: the site that it is about, if it is one.
    """

    __tablename__ = "notice"
    __table_args__ = owner_key(
        of_account(),
        one_of("level", ("info", "warning", "danger")),
        UniqueConstraint("account_id", "key"),
        Index(None, "account_id", "created_at"),
    )

    user_id: Mapped[int | None] = mapped_column(Id)
    role: Mapped[str | None] = mapped_column(Text(20))
    kind: Mapped[str] = mapped_column(Text(32), default="attention", server_default="attention")
    level: Mapped[str] = mapped_column(Text(20), default="info")
    title: Mapped[str] = mapped_column(Text(255))
    body: Mapped[str] = mapped_column(Text())
    key: Mapped[str | None] = mapped_column(Text(128))
    run_id: Mapped[int | None] = mapped_column(Id)
    rule_id: Mapped[int | None] = mapped_column(Id)
    incident_id: Mapped[int | None] = mapped_column(Id)
    about_site_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class NoticeChoice(AccountOwned, Base):
    """How a person is told of a kind of thing. site_id: 0 for everything without a choice of its own."""

    __tablename__ = "notice_choice"
    __table_args__ = owner_key(
        same_account("user_id", "user"),
        one_of("way", ("console", "mail", "digest", "off")),
        UniqueConstraint("account_id", "user_id", "kind", "site_id"),
    )

    user_id: Mapped[int] = mapped_column(Id)
    kind: Mapped[str] = mapped_column(Text(32))
    site_id: Mapped[int] = mapped_column(Id, default=0)
    way: Mapped[str] = mapped_column(Text(16))
