"""Transactions and clock for long work: passed in as arguments, because one run commits many times."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy.orm import Session

Transaction = Callable[[], AbstractContextManager[Session]]
"""Begins a separate transaction; committed at the end of the block, rolled back when it raises."""

Clock = Callable[[], datetime]
