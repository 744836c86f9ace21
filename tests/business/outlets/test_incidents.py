"""Failures of one cause are one incident, also when they come at the same moment; one success ends it, once."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import Scope
from app.business.outlets.incident_models import Incident, IncidentFailure
from app.business.outlets.mail_models import Mail
from app.business.outlets.services import incidents
from app.business.outlets.services.incident_words import WORDS
from app.business.outlets.services.incidents import FailureCause, Touched
from app.infrastructure.database import db
from tests.at_once import AT_ONCE, together
from tests.factories import NOW, make_account, make_user

AWAY = FailureCause("ai", "unavailable", "The AI service")


@pytest.fixture
def account(session: Session) -> Account:
    account = make_account(session)
    make_user(session, account, Role.OWNER)
    make_user(session, account, Role.VIEWER)
    session.commit()
    return account


def fail(
    session: Session, account: Account, run: int, *, rule: int = 1, site: int = 1, minute: int = 0
) -> None:
    touched = Touched(f"run-{run}", run, rule, [site])
    incidents.note_failure(session, account.id, AWAY, touched, "No answer.", NOW + timedelta(minutes=minute))
    session.commit()


def opened(session: Session) -> Incident:
    session.expire_all()
    return session.scalars(select(Incident)).one()


def test_failures_of_one_cause_are_one_incident_one_notice_and_one_mail(
    session: Session, account: Account
) -> None:
    for number in range(3):
        fail(session, account, number + 1, rule=number + 1, site=number % 2 + 1, minute=number)
    fail(session, account, 3, rule=3, site=1, minute=9)
    incident = opened(session)
    extent = incidents.extents(session, Scope(account.id), [incident])[incident.id]
    assert (extent.count, extent.rules, extent.sites) == (3, [1, 2, 3], [1, 2])
    assert extent.last_at == NOW + timedelta(minutes=9)
    assert session.scalars(select(Notice.title)).all() == ["The AI service does not answer"]
    (mail,) = session.scalars(select(Mail))
    assert (mail.subject, len(mail.entries)) == ("The AI service does not answer", 1)
    incidents.recover_place(session, account.id, "ai", NOW + timedelta(minutes=10))
    incidents.recover_place(session, account.id, "ai", NOW + timedelta(minutes=11))
    session.commit()
    titles = session.scalars(select(Notice.title).where(Notice.read_at.is_(None))).all()
    assert (opened(session).status, titles) == ("recovered", ["The AI service works again"])


def test_after_its_end_the_same_cause_is_another_incident(session: Session, account: Account) -> None:
    fail(session, account, 1)
    incidents.recover_place(session, account.id, "ai", NOW)
    fail(session, account, 2)
    assert session.scalars(select(Incident.status).order_by(Incident.id)).all() == ["recovered", "open"]


def test_another_account_has_its_own(session: Session, account: Account) -> None:
    fail(session, account, 1)
    fail(session, make_account(session), 1)
    assert len(session.scalars(select(Incident)).all()) == 2


@pytest.mark.parametrize("change", [{"rule": 2}, {"site": 2}], ids=["a rule", "a site"])
def test_muted_until_it_touches_something_else(
    session: Session, account: Account, change: dict[str, int]
) -> None:
    fail(session, account, 1)
    incidents.mute(session, opened(session), AuditActor(), NOW)
    assert session.scalars(select(Notice.id).where(Notice.read_at.is_(None))).all() == []
    fail(session, account, 2)
    assert opened(session).muted_at == NOW
    fail(session, account, 3, **change)
    assert opened(session).muted_at is None


def test_failures_at_once_open_one_incident_and_are_all_counted(session: Session, account: Account) -> None:
    def work(own: Session, number: int) -> None:
        causes = [AWAY, FailureCause("wordpress-1", "misconfigured", "The WordPress of “A”")]
        for cause in sorted(causes, key=lambda cause: cause.place):
            incidents.note_failure(own, account.id, cause, Touched(f"run-{number}", number + 1), "No.", NOW)

    together(work)
    counts = session.execute(
        select(Incident.place, func.count(IncidentFailure.id))
        .join(IncidentFailure, IncidentFailure.incident_id == Incident.id)
        .group_by(Incident.id, Incident.place)
        .order_by(Incident.place)
    ).all()
    assert [tuple(row) for row in counts] == [("ai", AT_ONCE), ("wordpress-1", AT_ONCE)]
    assert len(session.scalars(select(Notice)).all()) == 2
    (mail,) = session.scalars(select(Mail))
    assert len(mail.entries) == 2


def test_successes_at_once_end_it_once_and_failures_beside_them_are_in_an_incident(
    session: Session, account: Account
) -> None:
    fail(session, account, 1000)

    def work(own: Session, number: int) -> None:
        if number % 2:
            incidents.recover_place(own, account.id, "ai", NOW)
        else:
            incidents.note_failure(own, account.id, AWAY, Touched(f"run-{number}", number + 1), "No.", NOW)

    together(work)
    found = session.scalars(select(Incident)).all()
    ended = [incident for incident in found if incident.status == "recovered"]
    over = session.scalars(select(Notice).where(Notice.title == "The AI service works again")).all()
    assert len(over) == len(ended) >= 1
    assert len(found) - len(ended) <= 1
    assert session.scalar(select(func.count(IncidentFailure.id))) == 1 + AT_ONCE // 2


def test_a_failure_waits_for_no_other_failure_of_its_cause(
    session: Session, account: Account, database_url: str
) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite has one writer at a time")
    fail(session, account, 1)
    with Session(db.engine) as first, Session(db.engine) as second:
        incidents.note_failure(first, account.id, AWAY, Touched("run-2", 2), "No.", NOW)
        second.execute(select(func.set_config("lock_timeout", "2000", True)))
        incidents.note_failure(second, account.id, AWAY, Touched("run-3", 3), "No.", NOW)
        second.commit()
        first.commit()
    assert session.scalar(select(func.count(IncidentFailure.id))) == 3


def test_every_cause_says_what_to_do() -> None:
    assert all(words.says and words.advice.endswith(".") for words in WORDS.values())
