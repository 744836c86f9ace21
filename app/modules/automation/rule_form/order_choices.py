"""The orders of records that the rule form offers."""

from app.business.automation.services.catalogue.field_types import FieldType
from app.business.automation.services.catalogue.record_order import (
    OLDEST,
    PLAIN,
    order_field,
    order_words,
    sortable_fields,
)

FIGURES = (FieldType.NUMBER, FieldType.DAY, FieldType.INSTANT)


def order_choices(record_type: str | None, chosen: str | None) -> list[tuple[str, str]]:
    """The named orders, the record's own numbers and days in both directions, and an order set by a program."""
    if record_type is None:
        return [(OLDEST, "–")]
    own = [field.name for field in sortable_fields(record_type) if field.type in FIGURES and field.column]
    orders = [*PLAIN, *(sign + name for name in own for sign in ("-", ""))]
    if chosen and chosen not in orders and order_field(chosen, record_type):
        orders.append(chosen)
    words = {order: order_words(order, record_type) for order in orders}
    return [(order, said[:1].upper() + said[1:]) for order, said in words.items()]
