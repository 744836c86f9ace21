"""The demo account: complete, believable, created once, and replaced without touching history or other accounts."""

from datetime import datetime, timedelta
from itertools import groupby

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, User
from app.business.accounts.services import welcome
from app.business.automation.models import AutomationRule, RuleActivation
from app.business.automation.run_models import Cause, RunAttempt, ScheduledTask
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.billing.models import CreditEntry
from app.business.errors import Invalid
from app.business.planner.services.clustering_plan import ClusteringRequest, KeywordFacts, model_of
from app.business.planner.services.keyword_groups import group_keywords
from app.business.writer.models import Content
from app.demo.agency import OWNER_EMAIL, Agency, close_agency, open_agency
from app.demo.groups import keyword_rows
from app.demo.loading import load_demo, reset_demo
from app.demo.people import People
from app.demo.rules import CREDITS
from app.infrastructure.database import transaction
from tests.factories import make_account, make_user

GERMAN = {"Filterkaffee", "Espresso", "Bohnen"}


def test_the_demo_is_loaded_once_and_breaks_no_invariant(session: Session, now: datetime) -> None:
    assert load_demo(transaction, now)
    assert audit(session, now) == []
    assert has_history_of_every_kind(session)
    assert has_content_at_every_stage(session)
    assert owed_its_runs_for_a_month(session, now)
    assert not load_demo(transaction, now)
    assert session.scalar(select(func.count(Account.id))) == 1
    assert welcome.issue_link(session, now)


def has_history_of_every_kind(session: Session) -> bool:
    ends = {tuple(row) for row in session.execute(select(ScheduledTask.status, ScheduledTask.reason))}
    failed = {("failed", "provider_refused"), ("failed", "timed_out")}
    skipped = {("skipped", reason) for reason in ("conditions", "missed", "shadow", "budget")}
    assert ends >= {("completed", None), ("pending", None)} | failed | skipped
    assert session.scalar(select(ScheduledTask.id).where(ScheduledTask.follows_id.is_not(None)).limit(1))
    assert session.scalar(select(ScheduledTask.id).where(ScheduledTask.waiting_for == "day").limit(1))
    assert (session.scalar(select(func.max(RunAttempt.number))) or 0) > 3
    assert set(session.scalars(select(CreditEntry.kind))) == {"grant", "charge", "adjust"}
    return True


def has_content_at_every_stage(session: Session) -> bool:
    stages = set(session.execute(select(Content.status, Content.outline)).all())
    return stages == {("draft", True), ("review", False), ("approved", False), ("published", False)}


def owed_its_runs_for_a_month(session: Session, now: datetime) -> bool:
    first = session.scalar(select(func.min(RuleActivation.from_at)))
    return first is not None and timedelta(days=30) >= now - first > timedelta(days=29)


def test_a_closed_demo_keeps_its_history_and_makes_room_for_a_fresh_one(
    session: Session, now: datetime
) -> None:
    other = make_account(session)
    old = open_agency(session, now)
    People(session, old, lambda: now).make_rules()
    make_waiting_run(session, old, now)
    close_agency(session, now)
    assert (old.account.status, other.status) == (AccountStatus.CLOSED, AccountStatus.ACTIVE)
    assert not session.scalars(select(User.id).where(User.is_active)).all()
    assert not session.scalars(
        select(AutomationRule.id).where(AutomationRule.unplanned_from.is_not(None))
    ).all()
    assert session.scalars(select(ScheduledTask.reason)).all() == ["cancelled"]
    assert open_agency(session, now).owner.email == OWNER_EMAIL
    assert audit(session, now) == []


def make_waiting_run(session: Session, agency: Agency, now: datetime) -> None:
    rule = session.scalars(select(AutomationRule).where(AutomationRule.name == CREDITS)).one()
    open_run(session, rule, Opening(Cause.MANUAL, now, user_id=agency.operator.id))


def test_a_demo_address_in_use_is_left_alone(session: Session, now: datetime) -> None:
    make_user(session, make_account(session), email=OWNER_EMAIL)
    session.commit()
    assert not load_demo(transaction, now)
    with pytest.raises(Invalid, match="address"):
        reset_demo(transaction, now)


def test_the_stored_groups_are_those_of_the_real_service() -> None:
    for _sector, rows in groupby(keyword_rows(), key=lambda row: row["Sector"]):
        kept = list(rows)
        facts = [
            KeywordFacts(index, row["Keyword"], int(row["Volume"]), None) for index, row in enumerate(kept)
        ]
        model = model_of("de" if kept[0]["Sector"] in GERMAN else "en")
        found = group_keywords(ClusteringRequest(1, facts, {}, 2, model))
        names = {key: group.name for group in found.groups for key in group.keyword_ids}
        assert [names.get(index, "") for index in range(len(kept))] == [row["Group"] for row in kept]
