"""A worker that makes ideas for a site while another one saves some makes no page that competes with these."""

from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.business.automation.run_models import Status
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.language_model import Completion, Prompt
from app.business.planner.models import Idea, Sector, Site
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.database import db
from tests.business.automation.runs.paid_world import six_due, spent
from tests.factories import make_idea
from tests.processes import eventually

SOMEBODY_WAITS = (
    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass
class SavedElsewhere(OfflineModel):
    """Once it has written ideas, another worker is saving the very same, and ends as soon as somebody waits for it."""

    engine: Engine
    others: list[Thread] = field(default_factory=list)

    def write(self, prompt: Prompt, key: str) -> Completion:
        completion = super().write(prompt, key)
        if not self.others:
            has_locked = Event()
            ideas = completion.data["ideas"]
            self.others.append(Thread(target=self._save, args=(ideas, has_locked)))
            self.others[0].start()
            assert has_locked.wait(60)
        return completion

    def _save(self, ideas: list[dict[str, Any]], has_locked: Event) -> None:
        # What it sees of others' activity stays the same within a transaction.
        outside = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with Session(self.engine) as session, outside.connect() as looking:
            session.execute(select(Site).with_for_update(key_share=True))
            sector = session.scalars(select(Sector)).one()
            for idea in ideas:
                make_idea(session, sector, title=idea["title"], main_keyword=idea["main_keyword"])
            session.flush()
            has_locked.set()
            eventually(lambda: looking.scalar(text(SOMEBODY_WAITS)))
            session.commit()


@pytest.mark.both_databases
@pytest.mark.parametrize("together", [None, False])
def test_no_idea_is_made_that_another_worker_has_just_saved(session: Session, together: bool | None) -> None:
    if db.engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time")
    machine = six_due(session)
    machine.model, machine.together = SavedElsewhere(db.engine), together
    assert machine.drain(LONG_QUEUE) == 6
    machine.model.others[0].join()
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    titles = session.scalars(select(Idea.title)).all()
    assert sorted(titles) == sorted(set(titles))
    assert machine.breaches() == []
    assert spent(machine)[2] == 6
