"""How each person is told of each kind of thing, in general and of single sites."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice, NoticeChoice, Role, User
from app.business.base import RowValues
from app.business.upsert import upsert

GENERAL = 0
"""In place of a site: for everything that has no choice of its own."""


class NoticeKind(StrEnum):
    INCIDENT = "incident"
    RULE = "rule"
    CREDITS = "credits"
    LATE = "late"
    ATTENTION = "attention"
    MORNING = "morning"


class Way(StrEnum):
    """console: only there · mail, digest: there too, and by mail at once or once a day."""

    CONSOLE = "console"
    MAIL = "mail"
    DIGEST = "digest"
    OFF = "off"


KINDS: Mapping[NoticeKind, str] = {
    NoticeKind.INCIDENT: "Failures, and what works again",
    NoticeKind.RULE: "Messages of rules",
    NoticeKind.CREDITS: "Credits that run low, or go fast",
    NoticeKind.LATE: "Rules and connections that stand still",
    NoticeKind.ATTENTION: "Other things to look at",
    NoticeKind.MORNING: "The morning line, at 08:00",
}
WAYS: Mapping[Way, str] = {
    Way.CONSOLE: "Only here in the console",
    Way.MAIL: "Here, and by mail",
    Way.DIGEST: "Here, and in one mail a day",
    Way.OFF: "Not at all",
}
MAILED_FROM = Role.EDITOR
"""Who has chosen nothing gets mails from this role upward; of rules everybody whom the rule names."""


@dataclass(frozen=True)
class NoticeChoices:
    """What a person has chosen, by kind and site; `role` says what holds for the rest."""

    role: Role
    chosen: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def way(self, kind: str, site_id: int | None = None) -> Way:
        """How the person is told of this kind, about this site."""
        found = self.chosen.get((kind, site_id or GENERAL)) or self.chosen.get((kind, GENERAL))
        return Way(found) if found else usual(kind, self.role)


def usual(kind: str, role: Role) -> Way:
    """For people who have chosen nothing."""
    return Way.MAIL if kind == NoticeKind.RULE or role.allows(MAILED_FROM) else Way.CONSOLE


def choices_of(session: Session, users: Collection[User]) -> dict[int, NoticeChoices]:
    """The choices of these people, in one query."""
    found: dict[int, dict[tuple[str, int], str]] = {user.id: {} for user in users}
    query = select(NoticeChoice).where(NoticeChoice.user_id.in_(found))
    for row in session.scalars(query):
        found[row.user_id][row.kind, row.site_id] = row.way
    return {user.id: NoticeChoices(Role(user.role), found[user.id]) for user in users}


def choose(session: Session, user: User, ways: Mapping[str, Way | None], site_id: int = GENERAL) -> None:
    """Keep what a person has chosen for this site, or for everything else; None: as for everything else."""
    for kind, way in ways.items():
        place: RowValues = {
            "account_id": user.account_id,
            "user_id": user.id,
            "kind": kind,
            "site_id": site_id,
        }
        if way is None:
            session.execute(delete(NoticeChoice).filter_by(**place))
        else:
            unique = ["account_id", "user_id", "kind", "site_id"]
            upsert(session, NoticeChoice, place | {"way": way}, unique=unique, change={"way": way})


def sites_with_choices(session: Session, user: User) -> set[int]:
    """Sites for which the person has chosen something of their own."""
    query = select(NoticeChoice.site_id).where(
        NoticeChoice.account_id == user.account_id,
        NoticeChoice.user_id == user.id,
        NoticeChoice.site_id != GENERAL,
    )
    return set(session.scalars(query))


@dataclass(frozen=True)
class Reader:
    """What of a user decides which notices are theirs."""

    id: int
    account_id: int
    role: str


def is_wanted_by(user: User | Reader) -> ColumnElement[bool]:
    """Clause: notices of kinds that the person has not switched off, for their site or in general."""
    mine = (
        NoticeChoice.account_id == user.account_id,
        NoticeChoice.user_id == user.id,
        NoticeChoice.kind == Notice.kind,
    )
    here = NoticeChoice.site_id == func.coalesce(Notice.about_site_id, GENERAL)
    own = exists().where(*mine, here)
    off = exists().where(*mine, here, NoticeChoice.way == Way.OFF)
    generally_off = exists().where(*mine, NoticeChoice.site_id == GENERAL, NoticeChoice.way == Way.OFF)
    return ~or_(off, generally_off & ~own)
