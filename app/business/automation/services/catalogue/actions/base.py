"""The declaration of an action type."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    create_model,
)
from sqlalchemy import ColumnElement, and_, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.automation.services.catalogue.actions.effects import Effects, unknown_effects
from app.business.automation.services.catalogue.actions.eligibility import (
    IneligibilityReason,
    LeftOver,
    PastEligibility,
)
from app.business.automation.services.catalogue.actions.parameters import Input, input_of
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.rule_parts import Conditions, Json, JsonObject, Unchecked, as_it_stands

FREE = "free"
RECORD_LIMIT = 50
MOST_RECORDS = 500


class Params(BaseModel):
    """Base of all parameters: unknown names are refused, types are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


P = TypeVar("P", bound=Params)


class Action(BaseModel):
    """One action of a rule. Each type has its own model, discriminated by `type`: `ActionType.form`.

    Created by `ActionType.checked` or `stored_action`, together with the JSON that is stored in rows.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    params: Params
    """Unchecked for a stored action that is not valid any more: use `ActionType.read`."""
    when: Conditions | None = None
    """Which of its records the action takes; checked together with the rule."""
    on_error: Literal["stop", "continue"] = "stop"
    type: str

    _stored: Json = PrivateAttr(None)
    _is_readable: bool = PrivateAttr(True)

    @classmethod
    def kept(cls, data: Json, params: Params, *, is_readable: bool) -> "Action":
        """The action stored in a row as `data`, with its parameters parsed."""
        said: dict[str, Unchecked] = dict(data) if isinstance(data, dict) else {}
        action = cls.model_construct(
            type=str(said.get("type")),
            params=params,
            when=Conditions.of(said.get("when")),
            on_error=said.get("on_error", "stop"),
        )
        action._stored, action._is_readable = data, is_readable
        return action

    @property
    def is_readable(self) -> bool:
        """Whether its parameters are valid."""
        return self._is_readable

    def as_json(self) -> Json:
        """The JSON stored in a rule, in its author's order."""
        return self._stored

    def params_as_json(self) -> Json:
        """The stored parameters."""
        return self._stored.get("params", {}) if isinstance(self._stored, dict) else {}


@dataclass(frozen=True)
class Measure:
    """The record column that a price is based on: its words, or the sector whose records share a price.

    usual: amount where none is known · smallest, less: parts of refusals, like `the shortest article here, of {:,}
    words` and `ask for fewer words`.
    """

    column: InstrumentedAttribute[int]
    usual: int = 1
    smallest: str = ""
    less: str = ""

    @property
    def key(self) -> Any:
        """Id column of the record. Any, because SQLAlchemy's typing would read it as a row value."""
        return self.column.class_.id

    @property
    def name(self) -> str:
        """Name of the column; an earlier action's parameter with this name sets it."""
        return self.column.key


class ActionType(Generic[P]):
    """One entry of the catalogue: subclass it in its own file, and add it to the registry.

    explanation: what it does, for the help page · icon: its drawing on pages · takes: record types of its units
    (empty: one unit for the whole run) · makes: record type it creates · kind_from: parameter that holds that record
    type instead · unit_of: what one unit is · measure: what the price is based on (for sectors always the sector
    column) · local: makes no external call · asks_model: asks the AI service · may_ask_model: where the account wants
    it · by_connection: its price depends on there being an AI connection · seconds: time limit of one unit · ids:
    parameters with record ids, the first that is set is used · events: that it may cause · statuses: of records it
    accepts (None: any) · refusal: why a record is not accepted · left_over: records it may leave unchanged ·
    usual_limit: default records per run · most_records: of one run over given records · done: participle for its
    records in results · texts_of_records: whether its texts may use fields of the run's records · may_repeat: two
    rules may apply it to the same records · decides: the run ends there when its unit is left out.
    """

    key: str
    label: str
    explanation: str
    icon: str = "bolt"
    params: type[P]
    takes: tuple[str, ...] = ()
    makes: str | None = None
    kind_from: str | None = None
    unit_of: Literal["record", "sector", "run"] = "record"
    price_text: str = FREE
    measure: Measure | None = None
    local: bool = True
    asks_model: bool = False
    may_ask_model: bool = False
    by_connection: bool = False
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
    decides: bool = False

    @property
    def is_paid(self) -> bool:
        return self.price_text != FREE

    @property
    def needed(self) -> str | None:
        """The one record type it works on; None where it accepts several."""
        return self.takes[0] if len(self.takes) == 1 else None

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """The declared words of its parameters, by name."""
        return {name: input_of(name, info) for name, info in self.params.model_fields.items()}

    def input(self, name: str) -> Input:
        """The words of a parameter, or just its name if it is not declared any more."""
        return self.inputs.get(name) or Input(name)

    def is_assumed(self, name: str) -> bool:
        """Whether the parameter is true by default."""
        info = self.params.model_fields.get(name)
        return info is not None and info.default is True

    @cached_property
    def form(self) -> type[Action]:
        """The model of actions of this type, discriminated by its `type`."""
        title = self.key.title().replace("_", "")
        params = (self.params, Field(default_factory=dict, validate_default=True))
        fields: dict[str, Any] = {"type": (Literal[self.key], ...), "params": params}
        return create_model(f"{title}Action", __base__=Action, __doc__=f"{self.label}.", **fields)

    def checked(self, data: JsonObject) -> Action:
        """The validated action with all parameters, including defaults. Raises ValidationError."""
        action = self.form.model_validate(data)
        return self.stored(data | {"params": action.params.model_dump(exclude_none=True)})

    def stored(self, data: JsonObject) -> Action:
        """Read a stored action of this type; parameters that are not valid any more are kept as stored."""
        given = data.get("params", {})
        try:
            return self.form.kept(data, self.params.model_validate(given), is_readable=True)
        except ValidationError:
            return self.form.kept(data, as_it_stands(self.params, given), is_readable=False)

    def read(self, action: Action) -> P:
        """The parameters of an action of this type. Raises ValidationError where they are not valid."""
        if action.is_readable and isinstance(action.params, self.params):
            return action.params
        return self.params.model_validate(action.params_as_json())

    def price(self, params: P, amount: int = 1, *, connected: bool = True) -> int:
        """Upper bound of the credits of one unit.

        amount: a sector's number of records, or the record's `measure` · connected: whether there is an AI connection.
        """
        return 0

    def price_of_records(
        self, params: P, ids: Iterable[int], measured: Mapping[int, int], *, connected: bool
    ) -> int:
        """Upper bound of the credits of units over all these records. measured: id -> `measure`."""
        if self.measure is None:
            return self.price(params, connected=connected) * sum(1 for _ in ids)
        known = [measured[key] for key in ids if key in measured]
        amounts = Counter(known).values() if self.unit_of == "sector" else known
        return sum(self.price(params, amount, connected=connected) for amount in amounts)

    def estimate(self, params: P, count: int, amounts: Mapping[str, int], *, connected: bool) -> int:
        """Estimated credits for `count` records. amounts: by measure name, as set by earlier actions."""
        if self.unit_of == "run":
            return self.price(params, connected=connected)
        if self.unit_of == "sector":
            return self.price(params, count, connected=connected)
        return count * self.price(params, self.amount_of(amounts), connected=connected)

    def amount_of(self, values: Mapping[str, FieldValue]) -> int:
        """The amount of one record, from its values."""
        if self.measure is None or self.unit_of != "record":
            return 1
        value = values.get(self.measure.name)
        return int(value) if value and isinstance(value, int | float | str) else 1

    def repeats(self, params: P) -> bool:
        """Whether it also accepts records that already have their result."""
        return False

    def needs_owner(self, params: P) -> str | None:
        """The parameter with which only owners may save it; None where editors may, too."""
        return None

    def made_from(self, params: P, count: int, *, most: bool) -> int:
        """The number of records that it creates from `count` others: estimated, or the upper bound."""
        return count

    def made_type(self, params: P) -> str | None:
        """The record type that it creates with these parameters."""
        return str(getattr(params, self.kind_from)) if self.kind_from else self.makes

    def explicit_ids(self, params: P) -> list[int] | None:
        """Ids given in the parameters; None when it works on the run's records."""
        named = next((ids for name in self.ids if (ids := getattr(params, name)) is not None), None)
        return named if named is None or isinstance(named, list) else [named]

    def accepts(self) -> ColumnElement[bool]:
        """Clause over its input type: records in an accepted state and without its result."""
        if self.statuses is None:
            return true()
        return MODELS[self.takes[0]].status.in_(self.statuses)

    def takeable(self, now: datetime) -> ColumnElement[bool]:
        """Clause over its input type: records that it accepts and has not left unchanged lately."""
        return self.accepts() if self.left_over is None else and_(self.accepts(), self.left_over.rested(now))

    def past(self, session: Session, account_id: int) -> PastEligibility:
        """`takeable` at moments of the past."""
        return PastEligibility(self.statuses)

    def effects(self, params: P, record_type: str | None) -> Effects:
        """What it does to records of that type; without a declaration, anything that its events allow."""
        return unknown_effects(self.events, self.takes)

    def phrase(self, params: P) -> str:
        """What it does, as part of the sentence of a rule."""
        return self.label[0].lower() + self.label[1:]


AnyAction = ActionType[Any]


def started(amount: int, step: int) -> int:
    """The number of started steps of that size: started(11, 10) is 2."""
    return -(-amount // step)
