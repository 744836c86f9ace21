"""Lists of changes of rules, and those that a person may decide on."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.scope import Scope, is_row_id
from app.business.automation.models import AutomationRule
from app.business.automation.rule_change_models import ChangeState, RuleChange
from app.business.errors import NotFound
from app.business.paging import Page, keyset_page


@dataclass(frozen=True)
class WaitingChange:
    """A change that waits, or waited, with its rule and who has proposed it."""

    change: RuleChange
    rule_name: str
    proposer: str


def seen(scope: Scope) -> ColumnElement[bool]:
    """Clause of the changes that are seen: of rules on these sites that are to stay there."""
    if scope.sites is None:
        return RuleChange.account_id == scope.account_id
    rules = select(AutomationRule.id).where(scope.sees(AutomationRule))
    return scope.sees(RuleChange) & RuleChange.rule_id.in_(rules)


def to_decide(user_id: int) -> ColumnElement[bool]:
    """Clause of the changes that wait for somebody like this person, who may edit rules."""
    return (RuleChange.state == ChangeState.WAITING) & (RuleChange.proposed_by_id != user_id)


def changes_to_decide(session: Session, scope: Scope, user_id: int, limit: int) -> list[WaitingChange]:
    """What this person may decide on, the oldest first."""
    return _read(session, seen(scope) & to_decide(user_id), limit)


def waiting_of(session: Session, rule: AutomationRule) -> WaitingChange | None:
    """The change of the rule that waits."""
    mine = (RuleChange.rule_id == rule.id) & (RuleChange.state == ChangeState.WAITING)
    return next(iter(_read(session, mine, 1)), None)


def latest_of(session: Session, rule: AutomationRule) -> WaitingChange | None:
    """The newest change of the rule, whatever became of it."""
    return next(iter(_read(session, RuleChange.rule_id == rule.id, 1, newest=True)), None)


def rules_with_waiting(session: Session, rule_ids: Collection[int]) -> set[int]:
    """Those of these rules of which a change waits."""
    waiting = RuleChange.state == ChangeState.WAITING
    return set(session.scalars(select(RuleChange.rule_id).where(RuleChange.rule_id.in_(rule_ids), waiting)))


def count_waiting(session: Session, account_id: int) -> int:
    """The number of changes of the account that wait."""
    waiting = (RuleChange.account_id == account_id) & (RuleChange.state == ChangeState.WAITING)
    return len(session.scalars(select(RuleChange.id).where(waiting)).all())


def changes_page(
    session: Session,
    scope: Scope,
    *,
    state: ChangeState | None,
    rule_id: int | None,
    cursor: str | None,
    limit: int,
    oldest: bool = False,
) -> Page[RuleChange]:
    """A page of changes, newest or oldest first. Raises Invalid for a damaged cursor."""
    chosen = [RuleChange.state == state] if state else []
    chosen += [RuleChange.rule_id == rule_id] if rule_id is not None else []
    query: Select[RuleChange] = select(RuleChange).where(seen(scope), *chosen)
    return keyset_page(session, query, keys=[RuleChange.id], cursor=cursor, limit=limit, oldest=oldest)


def find_change(session: Session, scope: Scope, id: int) -> RuleChange:
    """One change. Raises NotFound."""
    query = select(RuleChange).where(seen(scope), RuleChange.id == id)
    change = session.scalar(query) if is_row_id(id) else None
    if change is None:
        raise NotFound()
    return change


def name_of(session: Session, user_id: int | None) -> str | None:
    """The name of whoever proposed or decided."""
    user = session.get(User, user_id) if user_id else None
    return (user.name or user.email) if user else None


def _read(
    session: Session, which: ColumnElement[bool], limit: int, *, newest: bool = False
) -> list[WaitingChange]:
    order = RuleChange.id.desc() if newest else RuleChange.id.asc()
    query = (
        select(RuleChange, AutomationRule.name, User)
        .join(AutomationRule, AutomationRule.id == RuleChange.rule_id)
        .join(User, User.id == RuleChange.proposed_by_id)
        .where(which)
    )
    return [
        WaitingChange(change, name, user.name or user.email)
        for change, name, user in session.execute(query.order_by(order).limit(limit))
    ]
