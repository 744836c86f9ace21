"""Requests that wait for a result: only a few at once, because each of them occupies a thread."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

MOST = 6
MOST_OF_AN_ACCOUNT = 3


class WaitingRoom:
    """Counts the waiting requests of this process."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_AN_ACCOUNT) -> None:
        self.most, self.most_of_one = most, most_of_one
        self._waiting: Counter[int] = Counter()
        self._lock = Lock()

    @contextmanager
    def seat(self, account_id: int) -> Iterator[bool]:
        """Whether the request may wait; otherwise it is answered at once."""
        with self._lock:
            is_free = self._waiting.total() < self.most and self._waiting[account_id] < self.most_of_one
            if is_free:
                self._waiting[account_id] += 1
        try:
            yield is_free
        finally:
            if is_free:
                with self._lock:
                    self._waiting[account_id] -= 1
                    self._waiting += Counter()


waiting_room = WaitingRoom()
