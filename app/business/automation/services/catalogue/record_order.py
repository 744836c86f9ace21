"""The order in which a rule takes records: `oldest`, `newest`, `random`, or by field (`-total_volume`: highest
first)."""

from collections.abc import Sequence

from sqlalchemy import func
from sqlalchemy.orm import InstrumentedAttribute

from app.business.automation.services.catalogue.field_types import Field, FieldType, Frame, SqlValue
from app.business.automation.services.catalogue.fields import fields_of
from app.business.errors import Invalid
from app.business.planner.models import Record

OLDEST, NEWEST, RANDOM = "oldest", "newest", "random"
PLAIN = {OLDEST: "the oldest first", NEWEST: "the newest first", RANDOM: "in random order"}
WORDS = {
    FieldType.NUMBER: ("the lowest {} first", "the highest {} first"),
    FieldType.INSTANT: ("the earliest {} first", "the latest {} first"),
    FieldType.DAY: ("the earliest {} first", "the latest {} first"),
    FieldType.TEXT: ("by {} from A to Z", "by {} from Z to A"),
}
"""Field types that records can be sorted by, with the words for ascending and descending."""


def check_order(order: str, record_type: str | None) -> None:
    """Raise Invalid unless records of that type can be taken in this order."""
    if order == OLDEST or (record_type and (order in PLAIN or order_field(order, record_type))):
        return
    if record_type is None:
        raise Invalid({"order": ["This rule works on no records, so they have no order. Leave it out."]})
    sortable = ", ".join(field.name for field in sortable_fields(record_type) if "." not in field.name)
    raise Invalid(
        {
            "order": [
                f"{record_type.capitalize()} records cannot be taken in the order '{order}'. Choose oldest, newest, "
                f"random, or one of their fields, with a minus for the highest first: {sortable}."
            ]
        }
    )


def sortable_fields(record_type: str) -> list[Field]:
    """Fields of such records, and of related rows, that they can be sorted by."""
    shared = fields_of(None)
    return [
        field for field in fields_of(record_type).values() if field.type in WORDS and field.name not in shared
    ]


def order_field(order: str, record_type: str) -> Field | None:
    """The field that the order uses; None for the named orders and for fields that are not sortable."""
    name = order.removeprefix("-")
    return next((field for field in sortable_fields(record_type) if field.name == name), None)


def order_clauses(
    order: str, record_type: str, model: type[Record], frame: Frame
) -> Sequence[SqlValue | InstrumentedAttribute[int]]:
    """ORDER BY over rows of `model`; records without a value come last, ties are broken by id."""
    field = order_field(order, record_type)
    if field is not None:
        value = field.of(model, frame)
        return ((value.desc() if order.startswith("-") else value.asc()).nulls_last(), model.id)
    if order == RANDOM:
        return (func.random(), model.id)
    return (model.id.desc(),) if order == NEWEST else (model.id,)


def order_words(order: str, record_type: str | None) -> str:
    """`the highest total volume first`."""
    field = order_field(order, record_type) if record_type else None
    if field is None:
        return PLAIN.get(order, order)
    return WORDS[field.type][order.startswith("-")].format(field.label)
