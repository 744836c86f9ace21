"""Where an account asks for a second person, nobody alone makes a rule act, by whatever service."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AuditEntry, Notice, Role, User
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import scope_of
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.rule_change_models import ChangeKind, ChangeState, RuleChange
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rule_changes import deciding
from app.business.automation.services.rule_changes.listing import changes_to_decide
from app.business.automation.services.rule_changes.proposing import create_or_propose, save_or_propose
from app.business.automation.services.rules.approval import ApprovalNeeded, needed_for
from app.business.automation.services.rules.versions import definition_of, keep_version
from app.business.automation.services.triggering.rule_switch import switch
from app.business.errors import Conflict, Forbidden, Invalid
from app.business.planner.models import Sector
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords
from tests.factories import NOW, make_site, make_user

OFF, PRACTISING, LIVE = {"is_active": False}, {"mode": "shadow"}, {"is_active": True, "mode": "live"}
service = AutomationService()


@pytest.fixture
def anna(session: Session, account: Account) -> User:
    return make_user(session, account, Role.EDITOR, name="Anna")


@pytest.fixture
def ben(session: Session, account: Account) -> User:
    return make_user(session, account, Role.EDITOR, name="Ben")


def asks(session: Session, account: Account) -> None:
    account.rule_approval_required = True
    session.commit()


def acting(user: User, **values: Any) -> Actor:
    return Actor(user.id, Role(user.role), sites=scope_of(user).sites, **values)


def propose(session: Session, rule: AutomationRule, user: User, **changes: Any) -> RuleChange | None:
    data, actor = definition_of(rule) | changes, acting(user)
    change = save_or_propose(
        session,
        rule,
        actor,
        NOW,
        lambda: service.update_rule(session, rule, data, actor, NOW),
        "Please look.",
    )
    session.commit()
    return change


def waiting(session: Session, rule: AutomationRule, user: User, **changes: Any) -> RuleChange:
    change = propose(session, rule, user, **changes)
    assert change is not None
    return change


DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}
PLANNED: dict[str, Any] = {"trigger": "schedule", "schedule": DAILY}
PAUSED = PLANNED | {"schedule": DAILY | {"paused_until": "2027-01-01T00:00:00+00:00"}}
NEEDS: list[tuple[dict[str, Any], dict[str, Any], ChangeKind | None]] = [
    (LIVE, {"conditions": {"field": "volume", "operator": "gt", "value": 5}}, ChangeKind.CHANGE),
    (LIVE, {"actions": [{"type": "notify", "params": {"message": "Other"}}]}, ChangeKind.CHANGE),
    (LIVE, {"priority": 1}, ChangeKind.CHANGE),
    (LIVE, {"repeat": "always"}, ChangeKind.CHANGE),
    (LIVE, {"max_executions_per_day": 11}, ChangeKind.CHANGE),
    (LIVE, {"monthly_budget": 5}, None),
    (LIVE, {"max_executions_per_day": 9}, None),
    (LIVE, {"name": "Other", "description": "Why"}, None),
    (LIVE, OFF, None),
    (PLANNED, {"schedule": DAILY | {"paused_until": "2027-01-01T00:00:00+00:00"}}, None),
    (PLANNED, {"schedule": DAILY | {"ends_at": "2027-01-01T00:00:00+00:00"}}, None),
    (PAUSED, {"schedule": DAILY | {"paused_until": "2026-12-24T00:00:00+00:00"}}, ChangeKind.CHANGE),
    (PAUSED, {"schedule": DAILY}, ChangeKind.CHANGE),
    (PLANNED, {"schedule": DAILY | {"cron": "0 10 * * *"}}, ChangeKind.CHANGE),
    (LIVE, PRACTISING, None),
    (LIVE, PRACTISING | {"priority": 1}, None),
    (OFF, {"priority": 1}, None),
    (PRACTISING, {"priority": 1}, None),
    (OFF, LIVE, ChangeKind.SWITCH_ON),
    (OFF, PRACTISING | {"is_active": True}, None),
    (PRACTISING, LIVE, ChangeKind.MAKE_REAL),
    (PRACTISING | OFF, {"mode": "live"}, None),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_what_needs_a_second_person(machine: Machine, session: Session, account: Account, anna: User) -> None:
    """Saved by the service itself, which has no page before it: refused, or done, and never half."""
    rules = [machine.make_rule(account, **LIVE | before) for before, _, _ in NEEDS]
    asks(session, account)
    for rule, (before, change, kind) in zip(rules, NEEDS, strict=True):
        was = definition_of(rule)
        assert needed_for(was, was | change) == kind, (before, change)
        done = propose(session, rule, anna, **change)
        assert (done.kind if done else None) == kind, (before, change)
        stored = session.scalars(
            select(RuleVersion.definition).where(
                RuleVersion.rule_id == rule.id, RuleVersion.version == rule.version
            )
        ).one()
        assert stored == definition_of(rule) == (was if kind else was | change), (before, change)


def enabled(session: Session, rule: AutomationRule, actor: Actor) -> None:
    service.enable(session, rule, actor, NOW, backfill=False)


def updated(session: Session, rule: AutomationRule, actor: Actor) -> None:
    service.update_rule(session, rule, definition_of(rule) | LIVE | {"priority": 1}, actor, NOW)


def switched(session: Session, rule: AutomationRule, _actor: Actor) -> None:
    switch(session, rule, True, NOW)


def resumed(session: Session, rule: AutomationRule, _actor: Actor) -> None:
    switch(session, rule, True, NOW, resumed=True)


def written(session: Session, rule: AutomationRule, _actor: Actor) -> None:
    rule.is_active = True
    keep_version(session, rule, NOW, None)


def created(session: Session, rule: AutomationRule, actor: Actor) -> None:
    account = session.get_one(Account, rule.account_id)
    service.create_rule(session, account, definition_of(rule) | LIVE | {"name": "New"}, actor, NOW)


def started(session: Session, rule: AutomationRule, actor: Actor) -> None:
    service.execute(session, rule, actor, NOW, even_if_off=True)


WAYS: list[Callable[[Session, AutomationRule, Actor], None]] = [
    enabled, updated, switched, resumed, written, created, started,
]  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_no_service_makes_a_rule_act_for_one_alone(
    machine: Machine, session: Session, account: Account, anna: User
) -> None:
    rule = machine.make_rule(account, **OFF)
    asks(session, account)
    for way in WAYS:
        with pytest.raises(Conflict, match="In this account a second person"):
            way(session, rule, acting(anna))
        session.rollback()
    assert (rule.version, rule.is_active) == (1, False)
    assert machine.runs() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_rules_switch_on_only_what_says_the_same_as_before(
    machine: Machine, session: Session, account: Account, anna: User
) -> None:
    same, other = machine.make_rule(account, name="Same"), machine.make_rule(account, name="Other")
    resume = {"type": "resume_rule", "params": {"action": "notify"}}
    waker = machine.make_rule(account, name="Waker", trigger="schedule", actions=[resume],
                              schedule={"cron": "0 9 * * *"})  # fmt: skip
    asks(session, account)
    for rule in (same, other):
        service.disable(session, rule, acting(anna), NOW)
    assert propose(session, other, anna, priority=1) is None
    run = machine.run_now(waker)
    assert run.status == "completed"
    session.expire_all()
    assert (same.is_active, other.is_active) == (True, False)
    assert "1 rule left off: changed since it was last on" in str(run.result)
    # By hand too: who starts a rule that is off has it do what it did before.
    service.disable(session, same, acting(anna), NOW)
    assert machine.run_now(same, even_if_off=True).reason == "conditions", "not for being off"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_what_follows_a_start_by_hand_does_no_more_either(
    machine: Machine, session: Session, account: Account, sector: Sector, anna: User
) -> None:
    """Follow-ups are of the version that the rule has then."""
    clusters_with_keywords(session, sector, 4)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=[IDEAS], credit_limit_per_execution=10
    )
    asks(session, account)
    service.disable(session, rule, acting(anna), NOW)
    service.execute(session, rule, acting(anna), machine.now, even_if_off=True)
    session.commit()
    assert propose(session, rule, anna, priority=1) is None
    machine.settle()
    first, second = machine.runs()
    assert (first.rule_version, first.status, first.credits_used) == (2, "completed", 10)
    assert (second.rule_version, second.status, second.reason) == (3, "skipped", "inactive")
    assert "was changed since it was last on" in second.error_message


def test_a_second_person_applies_it_as_the_first_wrote_it(
    machine: Machine, session: Session, account: Account, anna: User, ben: User
) -> None:
    rule = machine.make_rule(account)
    asks(session, account)
    change = waiting(session, rule, anna, priority=1)
    assert (rule.version, rule.priority) == (1, 5)
    assert [one.change.id for one in changes_to_decide(session, scope_of(ben), ben.id, 9)] == [change.id]
    assert changes_to_decide(session, scope_of(anna), anna.id, 9) == []
    assert deciding.approve(session, change, acting(ben), NOW)
    session.commit()
    assert (rule.version, rule.priority, rule.updated_by_id) == (2, 1, anna.id)
    assert (change.state, change.decided_by_id, change.decided_at) == ("approved", ben.id, NOW)
    said = session.execute(select(AuditEntry.action, AuditEntry.user_id).order_by(AuditEntry.id)).all()
    assert [tuple(entry) for entry in said][-3:] == [
        ("rule_change.proposed", anna.id), ("rule.changed", ben.id), ("rule_change.approved", ben.id),
    ]  # fmt: skip
    notice = session.scalars(select(Notice)).one()
    assert (notice.user_id, notice.title) == (anna.id, "Your change of “A rule” was approved")
    with pytest.raises(Conflict, match="approved already"):
        deciding.send_back(session, change, acting(ben), "Too late", NOW)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_who_may_not_decide(
    machine: Machine, session: Session, account: Account, anna: User, ben: User
) -> None:
    north, south = make_site(session, account), make_site(session, account)
    rule = machine.make_rule(account)
    asks(session, account)
    change = waiting(session, rule, anna, site=north.id)
    operator = make_user(session, account, Role.OPERATOR)
    of_south = make_user(session, account, Role.EDITOR, site_ids=[south.id])
    for actor in (acting(anna), acting(ben, api_key_id=1), acting(operator), Actor(None)):
        with pytest.raises(Forbidden):
            deciding.approve(session, change, actor, NOW)
        with pytest.raises(Forbidden):
            deciding.send_back(session, change, actor, "No", NOW)
    with pytest.raises(Invalid):
        deciding.approve(session, change, acting(of_south), NOW)
    session.rollback()
    assert changes_to_decide(session, scope_of(of_south), of_south.id, 9) == []
    with pytest.raises(Forbidden):
        deciding.withdraw(session, change, acting(ben), NOW)
    with pytest.raises(Invalid, match="Say what should change"):
        deciding.send_back(session, change, acting(ben), "  ", NOW)
    assert (change.state, rule.version) == ("waiting", 1)
    change.state, change.decided_at, change.decided_by_id = ChangeState.APPROVED, NOW, anna.id
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_a_change_ends_when_the_rule_moves_on(
    machine: Machine, session: Session, account: Account, anna: User, ben: User
) -> None:
    rule = machine.make_rule(account)
    asks(session, account)
    first = waiting(session, rule, anna, priority=1)
    second = waiting(session, rule, anna, priority=2)
    session.refresh(first)
    assert (first.state, second.state) == ("withdrawn", "waiting")
    with pytest.raises(Conflict, match="Another change of this rule waits"):
        propose(session, rule, ben, priority=3)
    session.rollback()
    service.update_rule(session, rule, definition_of(rule) | {"name": "Renamed"}, acting(ben), NOW)
    session.refresh(second)
    assert (second.state, second.reason) == ("outdated", "The rule was changed meanwhile.")
    notice = session.scalars(select(Notice)).one()
    assert (notice.user_id, notice.title) == (anna.id, "Your change of “Renamed” was not applied")
    with pytest.raises(Conflict, match="Propose it anew"):
        deciding.approve(session, second, acting(ben), NOW)
    third = waiting(session, rule, anna, priority=4)
    account.rule_approval_required = False
    service.update_rule(session, rule, definition_of(rule) | {"priority": 3}, acting(ben), NOW)
    assert not deciding.approve(session, third, acting(ben), NOW), "made from a version that is no more"
    assert (third.state, rule.priority) == ("outdated", 3)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_what_can_no_longer_be_saved_waits_on(
    machine: Machine, session: Session, account: Account, anna: User, ben: User
) -> None:
    site, rule = make_site(session, account), machine.make_rule(account, **OFF)
    asks(session, account)
    change = waiting(session, rule, anna, is_active=True, name="Taken", site=site.id)
    machine.make_rule(account, name="Taken", **OFF)
    with pytest.raises(Invalid, match="Another rule is called"):
        deciding.approve(session, change, acting(ben), NOW)
    session.rollback()
    assert (change.state, rule.is_active) == ("waiting", False)
    # Nothing waits that could not be saved at all.
    with pytest.raises(Invalid, match="was not found"):
        propose(session, rule, anna, is_active=True, site=site.id + 100)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_a_new_rule_waits_switched_off(
    machine: Machine, session: Session, account: Account, anna: User, ben: User
) -> None:
    asks(session, account)
    data = {
        "name": "New",
        "trigger": "keyword_added",
        "actions": [{"type": "notify", "params": {"message": "x"}}],
    }
    rule, change = create_or_propose(session, account, data, acting(anna), NOW)
    assert change is not None
    assert (change.kind, rule.is_active, rule.version) == ("switch_on", False, 1)
    assert deciding.approve(session, change, acting(ben), NOW)
    assert (rule.is_active, rule.version) == (True, 2)
    off, none = create_or_propose(session, account, data | {"name": "Off"} | OFF, acting(anna), NOW)
    assert (none, off.is_active) == (None, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_what_waits_ends_with_the_option(
    machine: Machine, session: Session, account: Account, anna: User, ben: User
) -> None:
    rule = machine.make_rule(account)
    asks(session, account)
    change = waiting(session, rule, anna, priority=1)
    assert deciding.end_waiting(session, account.id, AuditActor(ben.id), NOW) == 1
    session.refresh(change)
    assert (change.state, change.decided_by_id, rule.priority) == ("withdrawn", ben.id, 5)
    assert session.scalars(select(Notice.title)).one() == "Your change of “A rule” was not applied"


def test_of_two_approvals_at_once_one_applies(
    app: Flask, machine: Machine, session: Session, account: Account, anna: User, ben: User
) -> None:
    carl = make_user(session, account, Role.OWNER)
    rule = machine.make_rule(account)
    asks(session, account)
    change, together = waiting(session, rule, anna, priority=1), Barrier(2)
    key, rule_id, actors = change.id, rule.id, [acting(ben), acting(carl)]

    def approve(actor: Actor) -> str:
        with app.app_context(), db.session() as own:
            together.wait(20)
            try:
                deciding.approve(own, own.get_one(RuleChange, key), actor, NOW)
                own.commit()
            except Conflict as refusal:
                own.rollback()
                return refusal.message
            return "applied"

    session.commit()
    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(approve, actors))
    assert answers == ["It was approved already.", "applied"]
    session.expire_all()
    assert (rule.version, rule.priority) == (2, 1)
    assert len(session.scalars(select(RuleVersion).where(RuleVersion.rule_id == rule_id)).all()) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_without_the_option_nothing_waits(
    machine: Machine, session: Session, account: Account, anna: User
) -> None:
    rule = machine.make_rule(account, **OFF)
    assert propose(session, rule, anna, is_active=True, priority=1) is None
    assert (rule.is_active, rule.priority, rule.version) == (True, 1, 2)
    asks(session, account)
    with pytest.raises(ApprovalNeeded):
        service.update_rule(session, rule, definition_of(rule) | {"priority": 2}, acting(anna), NOW)
