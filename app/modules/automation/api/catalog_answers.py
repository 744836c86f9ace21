"""Response models of the catalogue: triggers, record types with their fields, and actions."""

from pydantic import JsonValue

from app.modules.api.models import ApiModel


class OptionShown(ApiModel):
    """A value that can be chosen."""

    value: str
    label: str


class NamedField(ApiModel):
    """A field that texts may contain."""

    name: str
    label: str


class TriggerShown(ApiModel):
    """A trigger of rules."""

    type: str
    label: str
    record_type: str | None
    options: list[str]
    text_fields: list[NamedField]


class FieldShown(ApiModel):
    """A field that conditions can use."""

    name: str
    label: str
    type: str
    operators: list[str]
    choices: list[OptionShown]


class CountShown(ApiModel):
    """Related records that conditions can count."""

    name: str
    of: str
    label: str


class RecordTypeShown(ApiModel):
    """What conditions can use for a record type; null: for rules without records."""

    type: str | None
    fields: list[FieldShown]
    counts: list[CountShown]
    count_operators: list[str]


class OperatorShown(ApiModel):
    """A comparison operator."""

    operator: str
    label: str


class ActionShown(ApiModel):
    """An action: record types it accepts and creates, its price in words, the JSON schema of its parameters."""

    type: str
    label: str
    takes: list[str]
    makes: str | None
    price: str
    params: dict[str, JsonValue]
    local: bool
    time_limit_seconds: int
    events: list[str]


class CatalogShown(ApiModel):
    """Everything that rules consist of. `operators`: by field type."""

    triggers: list[TriggerShown]
    record_types: list[RecordTypeShown]
    finished_run: RecordTypeShown
    operators: dict[str, list[OperatorShown]]
    actions: list[ActionShown]
