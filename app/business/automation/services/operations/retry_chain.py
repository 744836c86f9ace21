"""The price of one retry with everything that follows it: another attempt, and the runs that continue from there."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.operations.retry_price import RetryPrice, contexts_of, prices_within
from app.business.automation.services.preflight.chain_prices import price_of_made, price_of_rest
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.follow_up_runs import Rest, rest_of
from app.business.errors import Invalid


def retry_chain(session: Session, account: Account, run: ScheduledTask, now: datetime) -> RetryPrice | None:
    """None where the run has not failed, or its rule is not valid any more."""
    if run.status != Status.FAILED:
        return None
    contexts = contexts_of(session, account, [run], now)
    price, context = prices_within(session, account, contexts)[run.id], contexts[run.id]
    if price is None:
        return None
    try:
        made = price_of_made(session, context) - run.credits_used
        most = (
            max(price.most, made) + price_of_rest(session, context, _handed_on_after(context)).total.credits
        )
    except (Invalid, KeyError):
        return None
    return replace(price, most=most if price.left is None else min(most, price.left + price.adds))


def _handed_on_after(context: RunContext) -> Rest:
    """What the run passes on when it completes; if it was never admitted, without its own records."""
    rest = rest_of(context)
    if context.run.admitted_at:
        return rest
    own = (context.run.from_step, context.detail.records or [])
    return replace(rest, items=[item for item in rest.items if (item["from_step"], item["records"]) != own])
