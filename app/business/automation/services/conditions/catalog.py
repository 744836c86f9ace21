"""Fields, operators and triggers that rules can use, ready for JSON: for the REST API's catalogue and the rule form."""

from app.business.automation.services.catalogue.field_types import Field, FieldType
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN
from app.business.automation.services.catalogue.triggers import trigger_catalog
from app.business.automation.services.conditions.description import operator_text
from app.business.automation.services.conditions.nodes import COUNT_OPERATORS, OPERATORS
from app.business.automation.services.rule_parts import Json, JsonObject


def catalog() -> JsonObject:
    """{"triggers", "record_types": [{"type", "fields", "counts"}], "finished_run", "operators": {field type: […]}}.

    Record type null stands for rules without records, which can use account fields only. Rules that a finished run
    triggers can use the fields of `finished_run`.
    """
    return {
        "triggers": [*trigger_catalog()],
        "record_types": [_record_type(name) for name in (*RECORD_TYPES, None)],
        "finished_run": _record_type(FINISHED_RUN),
        "operators": {type.value: _operators(type) for type in FieldType},
    }


def _record_type(name: str | None) -> JsonObject:
    counts: list[Json] = [
        {"name": relation.name, "of": relation.of, "label": relation.label}
        for relation in relations_of(name).values()
    ]
    return {
        "type": name,
        "fields": [_field(field) for field in fields_of(name).values()],
        "counts": counts,
        "count_operators": [operator.value for operator in COUNT_OPERATORS],
    }


def _field(field: Field) -> JsonObject:
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type.value,
        "operators": [operator.value for operator in OPERATORS[field.type]],
        "choices": [{"value": value, "label": label} for value, label in field.choices],
    }


def _operators(type: FieldType) -> list[Json]:
    return [{"operator": item.value, "label": operator_text(item, type)} for item in OPERATORS[type]]
