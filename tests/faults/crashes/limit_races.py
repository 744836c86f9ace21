"""Several processes at one limit at once, round after round; test_limit_races starts them."""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import create_engine, true, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.runs import daily_limit
from app.business.billing.services import credit_service
from app.business.billing.services.credit_service import CreditService
from app.business.language_model import ModelConnection, ModelUse
from app.business.outlets.services import ai_spending
from app.infrastructure import database
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.database import engine_options, prepare
from tests.sampling import times

PROCESSES = times(full=8, sample=4)
PATIENCE_SECONDS = 120
start: Any = None


@dataclass(frozen=True)
class Lot:
    """What one process does in one round: executes these runs, by this clock."""

    runs: Sequence[int]
    now: datetime


@dataclass(frozen=True)
class Spending:
    """What one process does in one round: spends `amount` so many times on the account."""

    account_id: int
    runs: Sequence[int]
    amount: int
    now: datetime


@dataclass(frozen=True)
class Calls:
    """What one process does in one round: reserves the money of these calls to an AI service, and settles some.

    Each may cost `most`; those that are settled did, to the last.
    """

    account_id: int
    connection: ModelConnection
    keys: Sequence[str]
    most: int
    now: datetime


Work = Lot | Spending | Calls


def race(url: str, works: Sequence[Sequence[Work]], *, guarded: bool = True) -> list[int]:
    """All are released together in each round; returns how often each process succeeded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(len(works), _begin, (context.Barrier(len(works)), guarded)) as pool:
        return pool.starmap(_work, [(url, rounds) for rounds in works], chunksize=1)


def _begin(barrier: Any, guarded: bool) -> None:
    global start
    start = barrier
    if not guarded:
        _remove_guards()


def _remove_guards() -> None:
    """The build that must fail: days are counted, credits and money are set aside whatever the limit says."""
    daily_limit.has_slots = lambda _new: true()
    credit_service._set_aside = _set_aside_unasked
    ai_spending.has_room = lambda limit, amount: true()


def _set_aside_unasked(session: Session, account_id: int, amount: int) -> None:
    held = Account.credits_held + amount
    session.execute(update(Account).where(Account.id == account_id).values(credits_held=held))


def _work(url: str, rounds: Sequence[Work]) -> int:
    _be_patient(url)
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    served = 0
    try:
        with Session(engine, expire_on_commit=False) as session:
            for one in rounds:
                start.wait(300)
                served += _done(session, one)
    except Exception:
        # The others must not wait for this one.
        start.abort()
        raise
    engine.dispose()
    return served


def _done(session: Session, work: Work) -> int:
    match work:
        case Lot():
            return _carry(session, work)
        case Spending():
            return _spend(session, work)
        case Calls():
            return _call(session, work)


def _call(session: Session, calls: Calls) -> int:
    """Every second call is still under way at the end."""
    served = 0
    for number, key in enumerate(calls.keys):
        with _transaction(session):
            account = session.get_one(Account, calls.account_id)
            tokens = (calls.most, 0)
            refused = ai_spending.reserve(session, account, calls.connection, key, tokens, calls.now)
        if refused:
            continue
        served += 1
        if number % 2:
            use = ModelUse("small", "ideas-2", calls.most, 0, calls.most)
            with _transaction(session):
                ai_spending.settle(session, account, key, use, unused=False, now=calls.now)
    return served


def _be_patient(url: str) -> None:
    """On SQLite eight writers of a busy machine may wait for longer than a person would."""
    if url.startswith("sqlite"):
        database.LOCK_WAIT_SECONDS = PATIENCE_SECONDS


def _carry(session: Session, lot: Lot) -> int:
    def transaction() -> Any:
        return _transaction(session)

    executor = ActionExecutor(transaction, make_works(OfflineModel()), lambda: lot.now, lambda: False)
    rules = RuleEngine(transaction, executor, lambda: lot.now, lambda _lease: nullcontext(), "race")
    return sum(rules.execute(run_id) for run_id in lot.runs)


def _spend(session: Session, spending: Spending) -> int:
    credits, served = CreditService(), 0
    for run_id in spending.runs:
        common: dict[str, Any] = {"account_id": spending.account_id, "run_id": run_id}
        with _transaction(session):
            refused = credits.hold(session, amount=spending.amount, budgets=[], now=spending.now, **common)
        if refused:
            continue
        served += 1
        with _transaction(session):
            credits.post(
                session, amount=spending.amount, key=f"r{run_id}", reason="Race", now=spending.now, **common
            )
            credits.release(session, now=spending.now, **common)
    return served


@contextmanager
def _transaction(session: Session) -> Iterator[Session]:
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
