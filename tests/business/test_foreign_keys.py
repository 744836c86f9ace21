"""Every row of an account is tied to it by a foreign key, and no key is checked for what another one says already."""

from sqlalchemy import ForeignKeyConstraint, Table

from app.business.base import Base

Columns = tuple[str, ...]
TABLES = Base.metadata.sorted_tables
OWNED = [table for table in TABLES if "account_id" in table.columns]


def test_a_row_of_an_account_cannot_be_without_it() -> None:
    untied = [table.name for table in OWNED if not leads_to(table, ("account_id",), ("account.id",))]
    assert untied == []
    assert [table.name for table in OWNED if table.columns["account_id"].nullable] == []


def test_no_foreign_key_says_what_another_one_does() -> None:
    implied = [
        key.name
        for table in TABLES
        for key in table.foreign_key_constraints
        if leads_to(table, *ends_of(key), without=key)
    ]
    assert implied == []


def leads_to(
    table: Table, columns: Columns, target: Columns, without: ForeignKeyConstraint | None = None
) -> bool:
    """Whether foreign keys ensure that what a row has in these columns is in the target, whatever else is null."""
    if tuple(f"{table.name}.{column}" for column in columns) == target:
        return True
    return any(
        leads_to(key.referred_table, parents, target)
        for key in table.foreign_key_constraints - {without}
        if (parents := parents_of(key, columns))
    )


def parents_of(key: ForeignKeyConstraint, columns: Columns) -> Columns:
    """What the key holds these columns to: none where it has others too that may be null, or not all of them."""
    parents = {element.parent.name: element.column.name for element in key.elements}
    may_be_null = any(
        element.parent.nullable for element in key.elements if element.parent.name not in columns
    )
    return (
        tuple(parents[name] for name in columns) if parents.keys() >= {*columns} and not may_be_null else ()
    )


def ends_of(key: ForeignKeyConstraint) -> tuple[Columns, Columns]:
    """The columns that it is for, and those that it holds them to."""
    return tuple(key.column_keys), tuple(str(element.column) for element in key.elements)
