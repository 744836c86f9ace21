"""Writers of a SQLite file take turns: a busy one does not make the others wait until they are refused.

SQLite lets writers try again at random moments, so one that writes without a pause keeps all others out. Here a writer
first gets a lock on a file beside the database. While it waits for that one, it is the only one who does: the others,
among them whoever writes now and wants to write again, wait for the lock on a second file.
"""

import fcntl
import os
import sqlite3
import time
import weakref
from pathlib import Path

PAUSE_SECONDS = 0.002
WRITER, NEXT = "-writer", "-next"
"""Endings of the files: whose turn it is, and whose turn comes next."""


class WritersConnection(sqlite3.Connection):
    """A connection whose turn ends with its transaction."""

    turn: "Turn | None" = None

    def commit(self) -> None:
        super().commit()
        self._end_turn()

    def rollback(self) -> None:
        super().rollback()
        self._end_turn()

    def close(self) -> None:
        super().close()
        self._end_turn()
        if self.turn:
            self.turn.close()

    def _end_turn(self) -> None:
        # A commit that was refused leaves the transaction open, and so its turn.
        if self.turn:
            self.turn.end()


class Turn:
    """One writer's place in the queue of a database file. The system ends the turn of a process that dies."""

    def __init__(self, database: str) -> None:
        self.database = Path(database)
        self.files: dict[str, int] = {}
        # A connection may be forgotten without having been closed: after a fork.
        self.close = weakref.finalize(self, _close, self.files)

    def take(self, most_seconds: float) -> float | None:
        """Wait for the turn; returns the seconds that are left, None when it did not come in time."""
        until = time.monotonic() + most_seconds
        try:
            next_one, writer = self._file(NEXT), self._file(WRITER)
        except OSError:
            # Nobody can write in this folder: the database says so.
            return most_seconds
        if not _lock(next_one, until):
            return None
        try:
            is_mine = _lock(writer, until)
        finally:
            fcntl.flock(next_one, fcntl.LOCK_UN)
        return max(until - time.monotonic(), 0) if is_mine else None

    def end(self) -> None:
        """Let the next one write."""
        if WRITER in self.files:
            # Also where it was not had: a signal may have come between getting it and knowing that.
            fcntl.flock(self.files[WRITER], fcntl.LOCK_UN)

    def _file(self, ending: str) -> int:
        if ending not in self.files:
            path = self.database.with_name(self.database.name + ending)
            self.files[ending] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        return self.files[ending]


def join(connection: sqlite3.Connection) -> None:
    """Let the transactions of a new connection take turns with those of others; a database in memory has none."""
    if isinstance(connection, WritersConnection):
        _, _, path = connection.execute("PRAGMA database_list").fetchone()
        connection.turn = Turn(path) if path else None


def _close(files: dict[str, int]) -> None:
    for descriptor in files.values():
        os.close(descriptor)
    files.clear()


def _lock(file: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(PAUSE_SECONDS)
        else:
            return True
