"""Changes of rules that wait for a second person, and what became of them."""

from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, one_of, owner_key, same_account


class ChangeState(StrEnum):
    """Only waiting changes can be decided; the others are final."""

    WAITING = "waiting"
    APPROVED = "approved"
    SENT_BACK = "sent_back"
    WITHDRAWN = "withdrawn"
    OUTDATED = "outdated"


class ChangeKind(StrEnum):
    """What an approval makes of the rule: a live one acts otherwise, or one that was off or practised becomes live."""

    CHANGE = "change"
    SWITCH_ON = "switch_on"
    MAKE_REAL = "make_real"


class RuleChange(AccountOwned, Base):
    """A definition that somebody wants the rule to have, and that is applied by nobody but a second person.

    base_version: the rule's version from which it was made; a newer one makes it outdated · definition: the whole rule
    as a version holds it · site_id: the site of that definition, null for the whole account · proposed_by_id, also of
    what a key has sent: its creator · decided_by_id: null where the rule itself moved on · reason: in words, of all
    decisions except an approval.
    """

    __tablename__ = "rule_change"
    __table_args__ = owner_key(
        same_account("rule_id", "automation_rule"),
        same_account("site_id", "site"),
        same_account("proposed_by_id", "user"),
        same_account("decided_by_id", "user"),
        one_of("kind", list(ChangeKind)),
        one_of("state", list(ChangeState)),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_at_fits"),
        CheckConstraint(
            "state != 'approved' OR (decided_by_id IS NOT NULL AND decided_by_id != proposed_by_id)",
            name="approved_by_another",
        ),
        # One at a time: of two that start from the same version, the second could never be applied.
        Index(
            "uq_rule_change_waiting",
            "rule_id",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "ix_rule_change_to_decide",
            "account_id",
            "id",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(None, "account_id", "rule_id", "id"),
    )

    rule_id: Mapped[int] = mapped_column(Id)
    site_id: Mapped[int | None] = mapped_column(Id)
    base_version: Mapped[int]
    kind: Mapped[str] = mapped_column(Text(16))
    definition: Mapped[dict[str, JsonValue]]
    note: Mapped[str] = mapped_column(Text(), default="")
    state: Mapped[str] = mapped_column(Text(16), default=ChangeState.WAITING)
    proposed_by_id: Mapped[int] = mapped_column(Id)
    api_key_id: Mapped[int | None] = mapped_column(Id)
    proposed_at: Mapped[datetime]
    decided_by_id: Mapped[int | None] = mapped_column(Id)
    decided_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text(), default="")
