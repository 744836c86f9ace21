"""Rule names: visible, on one line, and unique in the account.

Case, spaces and invisible characters do not count for uniqueness. Archived rules are ignored.
"""

import unicodedata
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.folding import name_key

LONGEST_NAME = 255
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Direction controls: they can reverse the text that follows them on a page."""


def check_name(name: str) -> str:
    """The name without surrounding spaces. Raises ValueError with the reason."""
    if any(
        unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in DIRECTIONS for sign in name.strip()
    ):
        raise ValueError("Write the name on one line, without control or direction characters.")
    if not name_key(name):
        raise ValueError("Enter a name that can be seen: this one holds only spaces or invisible characters.")
    return name.strip()


def is_taken(session: Session, account_id: int, name: str, rule_id: int | None = None) -> bool:
    """Whether another rule of the account has this name."""
    named = select(AutomationRule.id).where(
        AutomationRule.account_id == account_id,
        AutomationRule.name_key == name_key(name),
        AutomationRule.archived_at.is_(None),
    )
    if rule_id is not None:
        named = named.where(AutomationRule.id != rule_id)
    return session.scalar(named.limit(1)) is not None


def free_name(session: Session, account_id: int, wanted: str, rule_id: int | None = None) -> str:
    """The first free of `Nightly clusters`, `Nightly clusters (2)` and so on."""
    tails = ("" if number == 1 else f" ({number})" for number in count(1))
    names = (wanted[: LONGEST_NAME - len(tail)].rstrip() + tail for tail in tails)
    return next(name for name in names if not is_taken(session, account_id, name, rule_id))
