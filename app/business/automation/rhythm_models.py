"""When a rule that is started by events last was, and when its silence becomes unusual."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, owner_key, same_account


class RuleRhythm(AccountOwned, Base):
    """Worked out once for each last event, and for each version of the rule.

    usual_by: when the next was to be expected · silent_from: from when on there is something wrong; both null while too
    little is known.
    """

    __tablename__ = "rule_rhythm"
    __table_args__ = owner_key(same_account("rule_id", "automation_rule"), UniqueConstraint("rule_id"))

    rule_id: Mapped[int] = mapped_column(Id)
    last_event_at: Mapped[datetime]
    rule_version: Mapped[int]
    usual_by: Mapped[datetime | None]
    silent_from: Mapped[datetime | None]
