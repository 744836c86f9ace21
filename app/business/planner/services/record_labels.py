"""Labels of many records, changed by one statement."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import RowValues
from app.business.errors import Stale
from app.business.folded_columns import with_folded
from app.business.planner.models import Record
from app.business.planner.services.record_edit import clean_labels
from app.business.planner.services.record_versions import STALE
from app.business.row_sets import among, update_each


def relabel(
    session: Session,
    model: type[Record],
    account_id: int,
    ids: Sequence[int],
    change: Callable[[list[str]], list[str]],
    *,
    run_id: int,
    now: datetime,
) -> set[int]:
    """Change the labels of those of the records that exist, as an edit of each by the run would; returns their ids.

    change: makes the new labels of a record from those it has. Raises Invalid where they are too many.
    """
    query = (
        select(model.id, model.labels, model.version, model.made_by_run_id, model.made_version)
        .where(model.account_id == account_id, among(session, model.id, ids))
        .order_by(model.id)
        .with_for_update(key_share=True)
    )
    records = session.execute(query).all()
    cleaned = {
        present: clean_labels(change([*present])) for present in {tuple(row.labels) for row in records}
    }
    changed = [row for row in records if cleaned[tuple(row.labels)] != row.labels]
    values: list[RowValues] = []
    for row in changed:
        # As `by_maker` has it.
        is_own = row.made_by_run_id == run_id and row.made_version == row.version
        next_version = row.version + 1
        values.append(
            {
                "id": row.id,
                "account_id": account_id,
                "updated_at": now,
                "version": next_version,
                "made_version": next_version if is_own else row.made_version,
                **with_folded(model, {"labels": cleaned[tuple(row.labels)]}),
            }
        )
    if update_each(session, model, values) != len(values):
        raise Stale(STALE)
    for row in changed:
        loaded = session.identity_map.get(session.identity_key(model, row.id))
        if loaded is not None:
            session.expire(loaded)
    return {row.id for row in records}
