"""A call of an AI service that somebody waits for: counted against the month's limit in money like every other call."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from app.business.accounts.models import Account
from app.business.language_model import ModelConnection, ModelUse, ProviderFault
from app.business.outlets.services import ai_spending
from app.infrastructure.database import db


@dataclass
class CountedCall:
    """`key`: for the service, which works once for each · `use`: what the call took, set by the caller."""

    key: str
    use: ModelUse | None = None


@contextmanager
def counted_call(
    account: Account, connection: ModelConnection | None, purpose: str, tokens: tuple[int, int]
) -> Iterator[CountedCall]:
    """Reserve the cost of `tokens` (sent, written), and settle it afterwards; no transaction is open in between.

    The service of the installation (no `connection`) has no limit. Raises ProviderFault, `over_limit` before the call.
    """
    session, call = db.session(), CountedCall(f"{purpose}-{secrets.token_hex(8)}")
    refusal = None
    if connection:
        refusal = ai_spending.reserve(session, account, connection, call.key, tokens, datetime.now(UTC))
    session.commit()
    if refusal:
        raise ProviderFault("over_limit", refusal)
    unused = False
    try:
        yield call
    except ProviderFault as fault:
        call.use, unused = fault.use, not fault.may_have_worked
        raise
    finally:
        if connection:
            ai_spending.settle(session, account, call.key, call.use, unused=unused, now=datetime.now(UTC))
            session.commit()
