"""The interface of action handlers: read in a transaction, work outside of any, save in a transaction.

`read` returns plain data (or LeftOut), `work` calls a provider or computes without the database, `save` writes the
results and their events. Local actions do everything in `save`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy.orm import Session

from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.steps import Step
from app.business.automation.services.runs.unit_parts import Part
from app.business.automation.services.runs.unit_receipts import Ask, Done, Later, LeftOut, Unit
from app.business.language_model import LanguageModel

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Work(Protocol[Request, Answer]):
    """The steps of one unit of work."""

    def read(self, session: Session, context: RunContext, unit: Unit) -> Request | LeftOut | Later | Ask:
        """The input of `work`, or why this record is left out, or when its turn comes, or what a person is asked (the
        last two not for local actions).
        """
        ...

    def work(self, request: Request, key: str) -> Answer | Part:
        """The result, or a part of it: then `read` and `work` are called again with that part kept.

        Raises ProviderFault. Called without session and transaction.
        """
        ...

    def save(self, session: Session, context: RunContext, unit: Unit, answer: Answer) -> Done | LeftOut:
        """Write the results and their events; LeftOut when the record has changed in the meantime."""
        ...

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """The unit failed: undo what `read` reserved."""
        ...


AnyWork = Work[Any, Any]
"""A handler of any action type. Any: only the handler itself knows its request and its answer."""
Works = Mapping[str, AnyWork]
Handlers = dict[str, Callable[[LanguageModel], AnyWork]]
"""Action type -> factory of its handler, given the AI connection of this process."""


class LocalWork:
    """Base of handlers that do everything in `save`."""

    def read(self, session: Session, context: RunContext, unit: Unit) -> LeftOut | None:
        return None

    def work(self, request: None, key: str) -> None:
        return request

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """Nothing was reserved."""


class SetWork(LocalWork, ABC):
    """Base of those that save the units of some steps by common statements, free of charge."""

    @abstractmethod
    def takes(self, step: Step) -> bool:
        """Whether the step is one of these."""

    @abstractmethod
    def save_all(self, session: Session, context: RunContext, units: Sequence[Unit]) -> list[Done | LeftOut]:
        """What `save` would return for each of them. Raises what one of them would fail with."""
