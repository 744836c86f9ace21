"""What every action type says of itself."""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

RowId = Annotated[int, Field(ge=1, lt=2**63)]
Ids = Annotated[list[RowId], Field(min_length=1, max_length=5000)]
Words = Annotated[str, Field(min_length=1, max_length=64)]
Days = Annotated[int, Field(ge=0, le=365)]
TaskType = Literal["write", "refresh", "link", "report"]
UnitOf = Literal["record", "sector", "run"]

FREE = "free"


class Params(BaseModel):
    """Base of all parameters: unknown names are refused, types are not bent."""

    model_config = ConfigDict(extra="forbid", strict=True)


P = TypeVar("P", bound=Params)


class ActionType(Generic[P]):
    """One entry of the catalogue: subclass it in a file of its own, and add it to the registry.

    takes: record types its units work on (empty: the step is one unit for the whole run) · makes: the record type
    that it makes, where `made_type` says nothing else · unit_of: what a unit is · ids: the parameters that name
    records by id, the first that is set counts · seconds: time limit of one unit · local: no call outside ·
    events: what its work may cause.
    """

    key: str
    label: str
    params: type[P]
    takes: tuple[str, ...] = ()
    makes: str | None = None
    unit_of: UnitOf = "record"
    price_text: str = FREE
    local: bool = True
    seconds: int = 30
    ids: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    @property
    def is_paid(self) -> bool:
        """Whether it can cost credits."""
        return self.price_text != FREE

    def price(self, params: P, amount: int = 1) -> int:
        """Most credits that one unit costs. amount: in what the price is counted in."""
        return 0

    def made_type(self, params: Mapping[str, Any]) -> str | None:
        """The record type that it makes with these parameters."""
        return self.makes

    def explicit_ids(self, params: Mapping[str, Any]) -> list[int] | None:
        """Ids written into the parameters; None when it is bound to the run's records."""
        named = next((params[name] for name in self.ids if params.get(name) is not None), None)
        return [named] if isinstance(named, int) else named


AnyAction = ActionType[Any]


def started(amount: int, step: int) -> int:
    """How many steps of that size `amount` has begun: started(11, 10) is 2."""
    return -(-amount // step)
