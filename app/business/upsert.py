"""Insert unless the row is already there, in one statement that both databases speak."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.business.base import Base


def insert_missing(session: Session, model: type[Base], values: Mapping[str, Any]) -> None:
    """Add the row; one with the same unique key stays as it is."""
    session.execute(_insert(session, model).values(**values).on_conflict_do_nothing())


def insert_new(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> Any:
    """The statement that adds the rows, but those whose unique key is there already."""
    return _insert(session, model).values(list(rows)).on_conflict_do_nothing()


def upsert(
    session: Session,
    model: type[Base],
    values: Mapping[str, Any],
    *,
    unique: Sequence[str],
    change: Mapping[str, Any],
) -> None:
    """Add the row, or apply `change` (values or expressions) to the one with the same `unique` columns."""
    statement = _insert(session, model).values(**values)
    session.execute(
        statement.on_conflict_do_update(index_elements=list(unique), set_=dict(change)),
        execution_options={"synchronize_session": False},
    )


def _insert(session: Session, model: type[Base]) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(model)
