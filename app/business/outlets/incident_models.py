"""Incidents: failures that have one cause, from the first one to the first success after them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, of_account, one_of, owner_key, same_account

OPEN_ROWS = text("status = 'open'")


class IncidentStatus(StrEnum):
    OPEN = "open"
    RECOVERED = "recovered"


class Incident(AccountOwned, Base):
    """Failures of one cause. What they add up to is counted from their rows, so that none waits for another.

    place: what failed (`ai`, `wordpress-7`, `webhook-3`, `rule-12`, `credits`, `console`) · fault: its class · subject:
    the place in words, as it was called then · message: of the first failure · muted_at: left out of reports until it
    changes. One at most is open for a cause of an account.
    """

    __tablename__ = "incident"
    __table_args__ = owner_key(
        of_account(),
        one_of("status", list(IncidentStatus)),
        Index(
            "uq_incident_open",
            "account_id",
            "place",
            "fault",
            unique=True,
            sqlite_where=OPEN_ROWS,
            postgresql_where=OPEN_ROWS,
        ),
        Index(None, "account_id", "status", "id"),
    )

    place: Mapped[str] = mapped_column(Text(64))
    fault: Mapped[str] = mapped_column(Text(32))
    subject: Mapped[str] = mapped_column(Text(300))
    message: Mapped[str] = mapped_column(Text())
    status: Mapped[str] = mapped_column(Text(16), default=IncidentStatus.OPEN)
    first_at: Mapped[datetime]
    recovered_at: Mapped[datetime | None]
    muted_at: Mapped[datetime | None]
    muted_by_id: Mapped[int | None] = mapped_column(Id)

    @property
    def cause(self) -> str:
        """What failed, and how."""
        return f"{self.place}:{self.fault}"

    @property
    def kind(self) -> str:
        """The kind of its place."""
        return self.place.partition("-")[0]


class IncidentFailure(AccountOwned, Base):
    """One failure of an incident: of a run on one of its sites, or of a message. A run that fails again renews its own.

    key: of the run and site, or of the message.
    """

    __tablename__ = "incident_failure"
    __table_args__ = owner_key(
        same_account("incident_id", "incident"),
        UniqueConstraint("incident_id", "key"),
        Index(None, "account_id", "incident_id", "at"),
    )

    incident_id: Mapped[int] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Text(64))
    run_id: Mapped[int | None] = mapped_column(Id)
    rule_id: Mapped[int | None] = mapped_column(Id)
    site_id: Mapped[int | None] = mapped_column(Id)
    message: Mapped[str] = mapped_column(Text())
    at: Mapped[datetime]
