"""What every action type says of itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.automation.services.catalogue.actions.effects import Effects, unknown_effects
from app.business.automation.services.catalogue.actions.eligibility import (
    IneligibilityReason,
    LeftOver,
    PastEligibility,
)
from app.business.automation.services.catalogue.actions.parameters import Input, input_of
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.rule_parts import Json, JsonObject, Stored, as_it_stands

FREE = "free"
RECORD_LIMIT = 50
MOST_RECORDS = 500


class Params(BaseModel):
    """Base of all parameters: unknown names are refused, types are not bent."""

    model_config = ConfigDict(extra="forbid", strict=True)


P = TypeVar("P", bound=Params)


class Action(BaseModel):
    """One action of a rule. Each type has a model of its own, told apart by `type`: `ActionType.form`.

    The catalogue makes it, by `ActionType.checked` or `stored_action`, with what a row keeps of it beside it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    params: Params
    """Of a stored action that no longer passes the check as they stand: `ActionType.read` tells."""
    when: Annotated[Json, WithJsonSchema({"type": "object"})] = None
    """Conditions on the records of this action; the rule checks them with its own."""
    on_error: Literal["stop", "continue"] = "stop"
    type: str

    _stored: Json = PrivateAttr(None)
    _is_readable: bool = PrivateAttr(True)

    @classmethod
    def kept(cls, data: Json, params: Params, *, is_readable: bool) -> "Action":
        """The action that a row keeps as `data`, with its parameters read."""
        said = data if isinstance(data, Mapping) else {}
        action = cls.model_construct(
            type=str(said.get("type")),
            params=params,
            when=said.get("when"),
            on_error=said.get("on_error", "stop"),
        )
        action._stored, action._is_readable = data, is_readable
        return action

    @property
    def is_readable(self) -> bool:
        """Whether its parameters pass the check."""
        return self._is_readable

    def as_json(self) -> Json:
        """What is saved in a rule, in the order in which its author wrote it."""
        return self._stored

    def params_as_json(self) -> Json:
        """The same of its parameters alone."""
        return self._stored.get("params", {})


@dataclass(frozen=True)
class Measure:
    """The column of a record that its price is counted by: its words, or the sector whose records share one price.

    usual: what it is where nothing is known of it · smallest, less: how a refusal says it, like `the shortest article
    here, of {:,} words` and `ask for fewer words`.
    """

    column: InstrumentedAttribute[int]
    usual: int = 1
    smallest: str = ""
    less: str = ""

    @property
    def key(self) -> Any:
        """The id of the record; Any, for a property of this type would be read as the value of a row."""
        return self.column.class_.id

    @property
    def name(self) -> str:
        """What the column is called; an earlier action's parameter of that name decides it."""
        return self.column.key


class ActionType(Generic[P]):
    """One entry of the catalogue: subclass it in a file of its own, and add it to the registry.

    takes: record types its units work on (empty: the step is one unit for the whole run) · makes: the record type
    that it makes · kind_from: the parameter that says so instead · unit_of: what a unit is · measure: what its price
    is counted by (of sectors always their column) · local: no call outside · seconds: time limit of one unit ·
    ids: the parameters that name records by id, the first that is set counts · events: what its work may cause ·
    statuses: in which it takes a record (None: any) · refusal: why it leaves a record alone · left_over: what its
    work may leave as it was · usual_limit: records of one run where the author says nothing · most_records: of one
    run that was given its records · done: what has become of its records · texts_of_records: whether its texts may
    name fields of the run's records · may_repeat: two rules may well do it about the same records.
    """

    key: str
    label: str
    params: type[P]
    takes: tuple[str, ...] = ()
    makes: str | None = None
    kind_from: str | None = None
    unit_of: Literal["record", "sector", "run"] = "record"
    price_text: str = FREE
    measure: Measure | None = None
    local: bool = True
    seconds: int = 30
    ids: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    statuses: tuple[str, ...] | None = None
    refusal: IneligibilityReason = IneligibilityReason()
    left_over: LeftOver | None = None
    usual_limit: int = RECORD_LIMIT
    most_records: int = MOST_RECORDS
    done: str
    texts_of_records: bool = True
    may_repeat: bool = False

    @property
    def is_paid(self) -> bool:
        """Whether it can cost credits."""
        return self.price_text != FREE

    @property
    def needed(self) -> str | None:
        """The one record type that it works on; None where it works on whatever the rule does."""
        return self.takes[0] if len(self.takes) == 1 else None

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """The words of its parameters, by name."""
        return {name: input_of(name, info) for name, info in self.params.model_fields.items()}

    def input(self, name: str) -> Input:
        """The words of a parameter, or its name where it has none any more."""
        return self.inputs.get(name) or Input(name)

    def is_assumed(self, name: str) -> bool:
        """Whether the parameter is so unless an action says no."""
        info = self.params.model_fields.get(name)
        return info is not None and info.default is True

    @cached_property
    def form(self) -> type[Action]:
        """An action of this type, told apart from others by its `type`."""
        title = self.key.title().replace("_", "")
        params = (self.params, Field(default_factory=dict, validate_default=True))
        fields: dict[str, Any] = {"type": (Literal[self.key], ...), "params": params}
        return create_model(f"{title}Action", __base__=Action, __doc__=f"{self.label}.", **fields)

    def checked(self, data: JsonObject) -> Action:
        """The action with every parameter, also those that its author left out. Raises ValidationError."""
        action = self.form.model_validate(data)
        return self.stored(data | {"params": action.params.model_dump(exclude_none=True)})

    def stored(self, data: Stored) -> Action:
        """Read a stored action of this type; parameters that the check refuses now are kept as they stand."""
        given = data.get("params", {})
        try:
            return self.form.kept(data, self.params.model_validate(given), is_readable=True)
        except ValidationError:
            return self.form.kept(data, as_it_stands(self.params, given), is_readable=False)

    def read(self, action: Action) -> P:
        """The parameters of an action of this type. Raises ValidationError where they do not pass the check."""
        if action.is_readable and isinstance(action.params, self.params):
            return action.params
        return self.params.model_validate(action.params_as_json())

    def price(self, params: P, amount: int = 1, *, connected: bool | None = None) -> int:
        """Most credits that one unit costs.

        amount: in what it is counted in: a sector's records, or what `measure` says of the record · connected: whether
        there is an AI connection; None where that is not known yet, so that the dearer counts.
        """
        return 0

    def price_of_records(self, params: P, ids: Iterable[int], measured: Mapping[int, int]) -> int:
        """Most credits for units of all these records. measured: by id, what `measure` says."""
        if self.measure is None:
            return self.price(params) * sum(1 for _ in ids)
        known = [measured[key] for key in ids if key in measured]
        amounts = Counter(known).values() if self.unit_of == "sector" else known
        return sum(self.price(params, amount) for amount in amounts)

    def estimate(self, params: P, count: int, amounts: Mapping[str, int]) -> int:
        """About what so many records cost. amounts: what earlier actions have decided, by the name of a measure."""
        if self.unit_of == "run":
            return self.price(params)
        if self.unit_of == "sector":
            return self.price(params, count)
        return count * self.price(params, self.amount_of(amounts))

    def amount_of(self, values: Mapping[str, Any]) -> int:
        """What one record counts for, by its values."""
        if self.measure is None or self.unit_of != "record":
            return 1
        return int(values.get(self.measure.name) or 1)

    def repeats(self, params: P) -> bool:
        """Whether it also takes records that have their result already."""
        return False

    def made_from(self, params: P, count: int, *, most: bool) -> int:
        """Records that it makes from `count` others: about, or at most."""
        return count

    def made_type(self, params: P) -> str | None:
        """The record type that it makes with these parameters."""
        return str(getattr(params, self.kind_from)) if self.kind_from else self.makes

    def explicit_ids(self, params: P) -> list[int] | None:
        """Ids written into the parameters; None when it is bound to the run's records."""
        named = next((ids for name in self.ids if (ids := getattr(params, name)) is not None), None)
        return named if named is None or isinstance(named, list) else [named]

    def takeable(self, now: datetime) -> ColumnElement[bool]:
        """Clause over its own input type: records in a state it takes, without its result."""
        if self.statuses is None:
            return true()
        model: Any = MODELS[self.takes[0]]
        clause: ColumnElement[bool] = model.status.in_(self.statuses)
        return clause

    def past(self, session: Session, account_id: int) -> PastEligibility:
        """The same at moments of the past."""
        return PastEligibility(self.statuses)

    def effects(self, params: P, record_type: str | None) -> Effects:
        """What it does to records of that type; an action that says no more may do whatever its events tell."""
        return unknown_effects(self.events, self.takes)

    def phrase(self, params: P) -> str:
        """What it does, within the sentence of a rule."""
        return self.label[0].lower() + self.label[1:]


AnyAction = ActionType[Any]


def started(amount: int, step: int) -> int:
    """How many steps of that size `amount` has begun: started(11, 10) is 2."""
    return -(-amount // step)
