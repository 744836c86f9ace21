"""All action types, in the order of forms and API: one line registers a type."""

from collections.abc import Iterable
from typing import Annotated, Any, Union

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema

from app.business.automation.services.catalogue.actions.ask_person import ASK_PERSON
from app.business.automation.services.catalogue.actions.base import Action, AnyAction, Params
from app.business.automation.services.catalogue.actions.cluster_keywords import CLUSTER_KEYWORDS
from app.business.automation.services.catalogue.actions.create_record import CREATE_RECORD
from app.business.automation.services.catalogue.actions.create_tasks import CREATE_TASKS
from app.business.automation.services.catalogue.actions.generate_content import GENERATE_CONTENT
from app.business.automation.services.catalogue.actions.generate_ideas import GENERATE_IDEAS
from app.business.automation.services.catalogue.actions.notify import NOTIFY
from app.business.automation.services.catalogue.actions.parameters import ROWS, Input
from app.business.automation.services.catalogue.actions.publish_content import PUBLISH_CONTENT
from app.business.automation.services.catalogue.actions.send_webhook import SEND_WEBHOOK
from app.business.automation.services.catalogue.actions.switch_rules import PAUSE_RULE, RESUME_RULE
from app.business.automation.services.catalogue.actions.update_records import UPDATE_RECORDS
from app.business.automation.services.rule_parts import Json, JsonObject

CATALOGUE: dict[str, AnyAction] = {
    entry.key: entry
    for entry in (
        CLUSTER_KEYWORDS,
        GENERATE_IDEAS,
        CREATE_TASKS,
        GENERATE_CONTENT,
        PUBLISH_CONTENT,
        UPDATE_RECORDS,
        CREATE_RECORD,
        # Before the webhook, which has to be set up first.
        NOTIFY,
        ASK_PERSON,
        SEND_WEBHOOK,
        PAUSE_RULE,
        RESUME_RULE,
    )
}


PLACEHOLDER: JsonObject = {"type": NOTIFY.key, "params": {"message": "Not chosen yet"}}
"""A free action that is valid in every rule, for checks of other parts of a rule."""


class OneOfTheCatalogue:
    """Marks a field as an action of any registered type: its JSON schema is the union of their models.

    The field itself accepts any object, because `type` decides which model validates it.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(dict[str, Any])

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        union: Any = Union[tuple(entry.form for entry in CATALOGUE.values())]  # noqa: UP007 - made at run time
        return handler(TypeAdapter(Annotated[union, Field(discriminator="type")]).core_schema)


def stored_action(data: Json) -> Action:
    """Read a stored action; parts that are not valid any more are kept as stored."""
    if isinstance(data, dict) and (entry := CATALOGUE.get(str(data.get("type")))):
        return entry.stored(data)
    return Action.kept(data, Params(), is_readable=False)


def stored_actions(rows: Json) -> list[Action]:
    return [stored_action(data) for data in rows] if isinstance(rows, list) else []


def entries_of(actions: Iterable[Action]) -> list[AnyAction]:
    """The catalogue entries of a rule's actions; unknown types are left out."""
    return [CATALOGUE[action.type] for action in actions if action.type in CATALOGUE]


def is_paid(actions: Iterable[Action]) -> bool:
    """Whether any of the actions can cost credits."""
    return any(entry.is_paid for entry in entries_of(actions))


def input_of_parameter(name: str) -> Input | None:
    """The words of the parameter with this name, from the first action that has it."""
    return next((entry.inputs[name] for entry in CATALOGUE.values() if name in entry.inputs), None)


def names_in_parameters() -> dict[str, str]:
    """Parameters that reference a row by id -> the kind of row."""
    inputs = (item for entry in CATALOGUE.values() for item in entry.inputs.items())
    return {name: input.names for name, input in inputs if input.names in ROWS}


def decided_by(action: Action) -> dict[str, int]:
    """Amounts that the action sets on the records it creates and later prices are based on, by measure name."""
    made, params = made_by(action), action.params
    return {
        entry.measure.name: getattr(params, entry.measure.name)
        for entry in CATALOGUE.values()
        if entry.measure and entry.needed == made and entry.measure.name in params.model_fields_set
    }


def usual_amounts() -> dict[str, int]:
    """Default amounts for prices, by measure name."""
    return {entry.measure.name: entry.measure.usual for entry in CATALOGUE.values() if entry.measure}


def made_by(action: Action) -> str | None:
    """The record type that this action creates."""
    return CATALOGUE[action.type].made_type(action.params)


def explicit_ids(action: Action) -> list[int] | None:
    """Ids given in the action's parameters; None when it works on the run's records."""
    return CATALOGUE[action.type].explicit_ids(action.params)
