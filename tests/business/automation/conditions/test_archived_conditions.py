"""Archived records change nothing that conditions read, however much they look like those in use."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.record_models import MODELS
from app.business.planner.models import Sector
from tests.business.automation.conditions.test_condition_scope import LINKS, TREES, World, drawn

PIPELINE = ("cluster", "keyword", "idea", "task", "content")


class WithArchived(World):
    """The same account with an archived copy of each record, linked as the original and among themselves."""

    def fill_with_archived(self) -> None:
        mine = select(Sector).where(Sector.account_id == self.account_id)
        for place in self.session.scalars(mine).all():
            copies: dict[str, dict[int, int]] = {}
            for record_type in PIPELINE:
                parents = copies.get(LINKS.get(record_type, ""), {})
                copies[record_type] = self._copy(record_type, place, parents)
        self.session.flush()
        self.session.expire_all()

    def _originals(self, record_type: str) -> Iterable[dict[str, Any]]:
        return [row | {"archived_at": self.now} for row in super()._originals(record_type)]


def test_archived_look_alikes_change_no_verdict(session: Session, now: datetime) -> None:
    world, cases = WithArchived(session, now, "account"), drawn(TREES)
    before, texts = [world.read(case) for case in cases], world.texts()
    world.fill_with_archived()
    for case, verdicts in zip(cases, before, strict=True):
        assert world.read(case) == verdicts, case
    assert world.texts() == texts


@pytest.mark.parametrize("parent", ["cluster", "idea", "task"])
def test_selection_and_evaluation_agree_on_children_of_archived_records(
    session: Session, now: datetime, parent: str
) -> None:
    world, cases, model = World(session, now, "account"), drawn(TREES), MODELS[parent]
    session.execute(update(model).where(model.id % 2 == 0).values(archived_at=now))
    session.expire_all()
    for case in cases:
        selected, evaluated = world.read(case)
        assert selected == evaluated, case
