"""The records that a rule leaves alone, because three of its runs failed on them."""

from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleRecord
from app.business.base import Id
from app.business.paging import Page, keyset_page

SHOWN = 50


def set_aside_of(session: Session, rule: AutomationRule) -> list[RuleRecord]:
    """The latest of the rule's records that are set aside."""
    return list(session.scalars(_LATEST, {"rule_id": rule.id}))


def set_aside_page(
    session: Session, rule: AutomationRule, *, cursor: str | None, limit: int
) -> Page[RuleRecord]:
    """A page of them by type and id, the highest first. Raises Invalid for a damaged cursor."""
    keys = [RuleRecord.record_type, RuleRecord.record_id]
    query = _SET_ASIDE.params(rule_id=rule.id)
    return keyset_page(session, query, keys=keys, cursor=cursor, limit=limit)


def free_set_aside(session: Session, rule: AutomationRule, now: datetime) -> int:
    """Release all of them, so that the rule may take them again. Returns their number."""
    freed = session.scalars(
        update(RuleRecord)
        .where(RuleRecord.rule_id == rule.id, RuleRecord.state == "set_aside")
        .values(state="free", failures=0, updated_at=now)
        .returning(RuleRecord.record_id)
    )
    return len(freed.all())


_SET_ASIDE = select(RuleRecord).where(
    RuleRecord.rule_id == bindparam("rule_id", type_=Id), RuleRecord.state == "set_aside"
)
_LATEST = _SET_ASIDE.order_by(RuleRecord.updated_at.desc()).limit(SHOWN)
