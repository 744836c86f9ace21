"""Whether anything of an account has changed: a hint in the queue server, renewed after each commit.

Open pages ask for it every few seconds, so it must cost nearly nothing, and no write may wait for it: a counter in a
row of the account would serialise all its transactions. So the hint is a random token in a hash of the queue server,
one field for each account. It is set when a connection that has committed returns to its pool: outside every
transaction, and for every kind of write: ORM, statement, or plain SQL. A writer cannot forget it.

A write whose account cannot be read from the statement counts for all accounts, which costs one extra look; a missed
write would leave a page stale. A statement sets `is_shown=False` where no page shows what it changes, or where another
statement beside it already leaves the hint.

Without a queue server pages compare the database's own mark of its latest commit, which changes with any account's.
A process that dies between a commit and its hint loses the hint; pages are reloaded now and then for that.
"""

import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Set
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

import structlog
from redis import Redis, RedisError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.orm import Session, UOWTransaction

from app.business.accounts.models import Account
from app.business.base import AccountOwned, Base
from app.infrastructure.database import db
from app.infrastructure.redis_connection import connect
from app.settings import Settings

log = structlog.get_logger(__name__)

HINTS_KEY = "igny8:moved"
EVERYBODY = 0
"""Stands for all accounts: no account has this id."""
ANSWER_WITHIN = 0.3
SHOWN_NOWHERE = frozenset(
    {
        "user_session",
        "api_request",
        "cluster_centre",
        "sector_cut",
        "form_request",
        "passkey_challenge",
        "credit_day",
        "credit_day_state",
        "record_change",
        "record_sum",
        "run_change",
        "run_day",
        "run_day_state",
    }
)
"""Tables that no live part of a page shows."""
WRITES = ("INSERT", "UPDATE", "DELETE")

OnCommit = Callable[[Set[int]], None]


class Hints:
    """The hints of one database: where they are stored, and which still have to be sent."""

    def __init__(self, server: Redis) -> None:
        self._server, self._unsent, self._lock = server, set[int](), threading.Lock()
        self._mark: SqliteMark | None = None

    def send(self, accounts: Set[int]) -> None:
        """Renew the hints of `accounts`; those that could not be sent go with the next."""
        with self._lock:
            self._unsent |= accounts
            words: dict[Any, Any] = {str(account): secrets.token_hex(6) for account in self._unsent}
        try:
            self._server.hset(HINTS_KEY, mapping=words)
        except (RedisError, OSError) as error:
            log.debug("change_hint_not_sent", error=str(error))
            return
        with self._lock:
            self._unsent -= {int(account) for account in words}

    def read(self, account_id: int) -> str:
        """The hints of the account and of all accounts. Raises RedisError, OSError."""
        words = cast(list[bytes | None], self._server.hmget(HINTS_KEY, [str(account_id), str(EVERYBODY)]))
        return " ".join((word or b"-").decode() for word in words)

    def sqlite_mark(self, engine: Engine) -> str:
        """The mark of this process: a forked one has to open its own connection."""
        with self._lock:
            if self._mark is None or self._mark.pid != os.getpid():
                self._mark = SqliteMark(engine)
            return self._mark.read()


_hints: WeakKeyDictionary[Engine, Hints] = WeakKeyDictionary()


def init_app(app: Any, settings: Settings) -> None:
    """Let commits to the application's database leave hints in its queue server."""
    with app.app_context():
        hints = _hints[db.engine] = Hints(connect(settings, answer_within=ANSWER_WITHIN))
        watch(db.engine, hints.send)


def watch(engine: Engine, on_commit: OnCommit) -> None:
    """Call `on_commit` after each commit with the accounts whose rows it has changed."""
    event.listen(engine, "begin", partial(_begin, on_commit))
    event.listen(engine, "after_cursor_execute", _note_statement)
    event.listen(engine, "rollback_savepoint", _end_flush)
    event.listen(engine, "commit", _mark_committed)
    event.listen(engine, "checkin", lambda _connection, record: _report(on_commit, record.info))


def hint_of(account_id: int) -> str:
    """A value that changes whenever something of the account does.

    Read it before the rows: then it is never newer than they are.
    """
    hints, engine = _hints[db.engine], db.engine
    try:
        return hints.read(account_id)
    except (RedisError, OSError):
        # Changes with every commit of any account: at worst one look too many.
        if engine.dialect.name == "sqlite":
            return f"sqlite {hints.sqlite_mark(engine)}"
        return f"postgresql {db.session().scalar(text('SELECT pg_current_snapshot()::text'))}"


class SqliteMark:
    """SQLite's `data_version`: values compare only on one connection, which must not write itself."""

    def __init__(self, engine: Engine) -> None:
        self.pid, self._word = os.getpid(), secrets.token_hex(4)
        self._connection = sqlite3.connect(engine.url.database or "", check_same_thread=False)

    def read(self) -> str:
        """Different after each commit of another connection; never equal in two processes."""
        return f"{self._word} {self._connection.execute('PRAGMA data_version').fetchone()[0]}"


def _begin(on_commit: OnCommit, connection: Connection) -> None:
    _report(on_commit, connection.info)
    connection.info["written"] = set()
    connection.info["flushing"] = False


def _mark_committed(connection: Connection) -> None:
    connection.info["committed"] = connection.info.pop("written", set())


def _report(on_commit: OnCommit, info: dict[str, Set[int]]) -> None:
    if accounts := info.pop("committed", None):
        on_commit(accounts)


def _end_flush(connection: Connection, _name: str, _context: None) -> None:
    # A flush that failed inside a savepoint never reports its end.
    connection.info["flushing"] = False


def _note_statement(
    connection: Connection,
    cursor: DBAPICursor,
    statement: str,
    _parameters: Any,
    context: DefaultExecutionContext,
    _many: bool,
) -> None:
    writes = context.isinsert or context.isupdate or context.isdelete or statement.startswith(WRITES)
    if not writes or connection.info.get("flushing") or not context.execution_options.get("is_shown", True):
        return
    if cursor.rowcount == 0 and not cursor.description:
        return
    table = getattr(getattr(context.compiled, "compile_state", None), "dml_table", None)
    name = table.name if table is not None else None
    if name not in SHOWN_NOWHERE:
        named = set(_accounts_of(context, name))
        connection.info.setdefault("written", set()).update(named or {EVERYBODY})


def _accounts_of(context: DefaultExecutionContext, table: str | None) -> Iterable[int]:
    """Those that whoever executes the statement says, else those among its values."""
    said: Iterable[int] | None = context.execution_options.get("accounts")
    return _named(context, "id" if table == Account.__tablename__ else "account_id") if said is None else said


def _named(context: DefaultExecutionContext, column: str) -> Iterator[int]:
    """The accounts among the statement's values: bound as `account_id`, `account_id_1`, `account_id_m0`."""
    rows = context.compiled_parameters if context.compiled is not None else []
    names = [name for name in rows[0] if _is_of(name, column)] if rows else []
    for row in rows:
        for name in names:
            value = row[name]
            yield from value if isinstance(value, (list, tuple)) else (value,)


def _is_of(name: str, column: str) -> bool:
    return re.fullmatch(rf"{column}(_m?\d+)*", name) is not None


@event.listens_for(db.session, "before_flush")
def _begin_flush(session: Session, _context: UOWTransaction, _instances: None) -> None:
    session.connection().info["flushing"] = True


@event.listens_for(db.session, "after_flush")
def _note_flush(session: Session, _context: UOWTransaction) -> None:
    # An UPDATE of the ORM names only the row's key; the object knows its account.
    info = session.connection().info
    info["flushing"] = False
    rows = [row for row in (*session.new, *session.dirty, *session.deleted) if _is_shown(row)]
    info.setdefault("written", set()).update(map(_account_of, rows))


def _is_shown(row: Base) -> bool:
    return row.__tablename__ not in SHOWN_NOWHERE


def _account_of(row: Base) -> int:
    if isinstance(row, Account):
        return row.id
    return row.account_id if isinstance(row, AccountOwned) else EVERYBODY
