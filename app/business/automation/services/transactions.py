"""How long work gets its transactions and its time: handed in, for one run commits many times."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy.orm import Session

Transaction = Callable[[], AbstractContextManager[Session]]
"""Begins a transaction of its own; committed when the block ends, undone when it raises."""

Clock = Callable[[], datetime]
"""Now, in UTC."""
