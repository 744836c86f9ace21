"""Additions to the schemas of rules and records that types cannot express: conditions, trigger names, descriptions."""

from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.conditions.nodes import COUNT_OPERATORS, Operator
from app.business.automation.services.rules.fields import RuleFields
from app.business.automation.services.rules.options import Option, options_of
from app.modules.openapi.schemas import Ref

CONDITIONS_REF: Ref = {"$ref": "#/components/schemas/Conditions"}
_CONDITION: Ref = {"$ref": "#/components/schemas/Condition"}
_SEVERAL: Ref = {"type": "array", "items": _CONDITION}
_VALUE: Ref = {
    "description": 'A value of the field\'s type, several of them, or another field: `{"field": "site.name"}`.'
}


def _group(meaning: str, key: str, members: Ref) -> Ref:
    return {
        "type": "object",
        "description": meaning,
        "required": [key],
        "properties": {key: members},
        "additionalProperties": False,
    }


CONDITION_SCHEMAS: dict[str, Ref] = {
    "Conditions": {
        "description": "`{}` is always true; else one condition or a group. At most 5 deep, with 100 conditions.",
        "anyOf": [{"type": "object", "maxProperties": 0}, _CONDITION],
    },
    "Condition": {
        "anyOf": [
            {"$ref": f"#/components/schemas/{name}"}
            for name in ("FieldCondition", "CountCondition", "AllOf", "AnyOf", "Negation")
        ]
    },
    "FieldCondition": {
        "type": "object",
        "description": "A field of the record compared with a value. `/api/automation/catalog/` names the fields.",
        "required": ["field", "operator"],
        "properties": {
            "field": {"type": "string"},
            "operator": {"type": "string", "enum": [str(operator) for operator in Operator]},
            "value": _VALUE,
            "ignore_case": {"type": "boolean", "default": False},
        },
        "additionalProperties": False,
    },
    "CountCondition": {
        "type": "object",
        "description": "The number of related records that meet `where`, compared with a number.",
        "required": ["count", "operator", "value"],
        "properties": {
            "count": {"type": "string"},
            "of": {"type": "string", "default": "related"},
            "where": CONDITIONS_REF,
            "operator": {"type": "string", "enum": [str(operator) for operator in COUNT_OPERATORS]},
            "value": {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]},
        },
        "additionalProperties": False,
    },
    # Each a named object: generators of clients follow a tree through these, and not through a union in a union.
    "AllOf": _group("All of these conditions hold.", "all", _SEVERAL),
    "AnyOf": _group("One of these conditions holds, or more.", "any", _SEVERAL),
    "Negation": _group("This condition does not hold.", "not", _CONDITION),
}


def describe_rules(components: dict[str, Ref]) -> None:
    """Complete the schemas of rules and their actions."""
    components |= CONDITION_SCHEMAS
    for name in ("RuleDefinition", "Rule"):
        fields = components[name]["properties"]
        for field, option in options_of(RuleFields).items():
            fields[field].setdefault("description", _meaning(option))
        fields["trigger"]["enum"] = list(TRIGGERS)
        fields["conditions"] = {**CONDITIONS_REF, "description": "Which records it takes."}
    for schema in components.values():
        if "when" in (fields := schema.get("properties", {})) and "on_error" in fields:
            fields["when"] = {
                "anyOf": [CONDITIONS_REF, {"type": "null"}],
                "description": "Conditions on the records of this action; without them it takes all.",
            }


def describe_records(components: dict[str, Ref]) -> None:
    """Name the fields of records as pages do."""
    for record_type in RECORD_TYPES:
        name = record_type.capitalize()
        for schema in (name, f"New{name}", f"{name}Changes"):
            for field, known in fields_of(record_type).items():
                if shown := components[schema]["properties"].get(field):
                    shown.setdefault("description", f"{known.label[0].upper()}{known.label[1:]}.")


def _meaning(option: Option) -> str:
    return f"{option.asked.rstrip('.?')}. {option.hint}".strip()
