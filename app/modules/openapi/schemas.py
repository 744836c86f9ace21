"""JSON schemas of all types of the API, each once under its name."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Direction = Literal["validation", "serialization"]
"""Schemas of requests and of responses."""
JsonDict = dict[str, Any]
"""A part of the document. Any: its shape is defined by the standard; tests validate it."""
Ref = JsonDict
"""A schema, or the reference to one."""
PREFIX = "#/components/schemas/"
TEMPLATE = PREFIX + "{model}"


class Generator(GenerateJsonSchema):
    """Pydantic's schemas without the titles that repeat attribute names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default that the type does not allow (null for absent), because it cannot be sent."""
        described = super().default_schema(schema)
        if described.get("default", ...) is None and not _allows_null(described):
            described.pop("default")
        return described


class Schemas:
    """The named schemas of these types, and references to them."""

    def __init__(self, types: Iterable[tuple[Any, Direction]]) -> None:
        adapters = {(_key(kind), direction): kind for kind, direction in types}
        inputs = [(key, direction, TypeAdapter(kind)) for (key, direction), kind in adapters.items()]
        self._refs, definitions = TypeAdapter.json_schemas(
            inputs, ref_template=TEMPLATE, schema_generator=Generator
        )
        names = {name: public_name(name) for name in definitions.get("$defs", {})}
        assert len({*names.values()}) == len(names), "two types of the API have one name"
        self._refs = {key: _renamed(ref, names) for key, ref in self._refs.items()}
        self.components: dict[str, Ref] = {
            names[name]: {**_renamed(schema, names), "title": names[name]}
            for name, schema in definitions.get("$defs", {}).items()
        }

    def ref(self, kind: Any, direction: Direction = "validation") -> Ref:
        """The reference to a type's schema, or the schema of a type without a name."""
        return dict(self._refs[_key(kind), direction])

    def whole(self, kind: Any) -> Ref:
        """A model's own schema."""
        return self.components[str(self.ref(kind)["$ref"]).rpartition("/")[2]]

    def optional(self, model: type[BaseModel]) -> Ref:
        """The reference to a variant of the model with every field optional and without defaults, for PATCH."""
        whole = self.whole(model)
        name = whole["title"] if whole["title"].endswith("Changes") else f"{whole['title']}Changes"
        fields = {
            field: {key: value for key, value in schema.items() if key != "default"}
            for field, schema in whole["properties"].items()
        }
        kept = {key: value for key, value in whole.items() if key != "required"}
        self.components[name] = {**kept, "properties": fields, "title": name}
        return {"$ref": TEMPLATE.format(model=name)}


def public_name(name: str) -> str:
    """The schema name of a type: a page of `RunShown` is `RunList`, `KeywordNew` is `NewKeyword`."""
    if of := re.fullmatch(r"Listed_(\w+?)(Shown)?_", name):
        return f"{of[1]}List"
    if new := re.fullmatch(r"(\w+)New", name):
        return f"New{new[1]}"
    if whole := re.fullmatch(r"(\w+)Whole", name):
        return f"{whole[1]}Details"
    return name.removesuffix("Shown")


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    """The schema with references renamed to public names."""
    if isinstance(part, dict):
        return {key: _renamed(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [_renamed(item, names) for item in part]
    if isinstance(part, str) and part.startswith(PREFIX):
        return PREFIX + names[part.removeprefix(PREFIX)]
    return part


def _key(kind: Any) -> str:
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', repr(kind))}"


def _allows_null(schema: Ref) -> bool:
    parts = schema.get("anyOf", [schema])
    return any(part.get("type") == "null" or not part.keys() - {"default", "description"} for part in parts)
