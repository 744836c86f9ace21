"""Rules being edited: input is stored until the rule is saved or the draft discarded."""

from datetime import datetime, timedelta

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleDraft
from app.business.errors import NotFound

KEPT_FOR = timedelta(days=30)
Steps = dict[str, list[list[str]]]
"""For each step of the form, its fields as sent: [name, value] in order."""


def begin_draft(
    session: Session,
    *,
    account_id: int,
    user_id: int,
    steps: Steps,
    now: datetime,
    rule: AutomationRule | None = None,
) -> RuleDraft:
    """Create a draft and delete the person's expired ones. `rule`: the rule being changed, None for a new one."""
    session.execute(
        delete(RuleDraft).where(
            RuleDraft.account_id == account_id,
            RuleDraft.user_id == user_id,
            RuleDraft.updated_at < now - KEPT_FOR,
        )
    )
    draft = RuleDraft(
        account_id=account_id, user_id=user_id, steps=dict(steps), created_at=now, updated_at=now
    )
    if rule is not None:
        draft.rule_id, draft.version = rule.id, rule.version
    session.add(draft)
    session.flush()
    return draft


def keep_step(session: Session, draft: RuleDraft, step: str, pairs: list[list[str]], now: datetime) -> None:
    """Store the input of one step, valid or not."""
    # A new dict, because SQLAlchemy does not detect changes inside a JSON value.
    draft.steps, draft.updated_at = draft.steps | {step: pairs}, now
    session.flush()


def own_draft(session: Session, draft_id: int, *, account_id: int, user_id: int) -> RuleDraft:
    """A draft of this person. Raises NotFound."""
    draft = session.scalar(_mine(account_id, user_id).where(RuleDraft.id == draft_id))
    if draft is None:
        raise NotFound()
    return draft


def open_drafts(session: Session, *, account_id: int, user_id: int) -> list[RuleDraft]:
    """The person's drafts of new rules, latest first, at most five."""
    drafts = (
        _mine(account_id, user_id).where(RuleDraft.rule_id.is_(None)).order_by(RuleDraft.updated_at.desc())
    )
    return list(session.scalars(drafts.limit(5)))


def _mine(account_id: int, user_id: int) -> Select[RuleDraft]:
    return select(RuleDraft).where(RuleDraft.account_id == account_id, RuleDraft.user_id == user_id)
