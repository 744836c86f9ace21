"""How each action type does its unit: read in a transaction, work outside any, save in a transaction.

`read` gives plain data (or LeftOut), `work` talks to a provider or computes and touches no database,
`save` writes outputs and their events. Local actions have nothing to do between read and save.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.unit_receipts import Done, LeftOut, Unit
from app.business.language_model import LanguageModel


class Work(Protocol):
    """The parts of one unit's work."""

    def read(self, session: Session, context: RunContext, unit: Unit) -> Any | LeftOut:
        """Plain data of the work, or why this record is left out."""
        ...

    def work(self, request: Any, key: str) -> Any:
        """The answer. Raises ProviderFault. No session, no transaction."""
        ...

    def save(self, session: Session, context: RunContext, unit: Unit, answer: Any) -> Done | LeftOut:
        """Write the outputs and their events; LeftOut when the record has moved on meanwhile."""
        ...

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """The unit failed: undo what `read` reserved."""
        ...


Works = Mapping[str, Work]
Handlers = dict[str, Callable[[LanguageModel], Work]]
"""Action type -> its work, made with the AI connection of this process."""


class LocalWork:
    """Base of actions whose whole work is in `save`."""

    def read(self, session: Session, context: RunContext, unit: Unit) -> Any | LeftOut:
        """Nothing to read beforehand."""
        return None

    def work(self, request: Any, key: str) -> Any:
        """Nothing to do outside."""
        return request

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """Nothing was reserved."""
