"""An archived record of each kind, beside those of `make_rows`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.record_models import MODELS
from app.business.planner.models import Sector
from app.business.writer.services.content_versions import keep_first_version
from tests.factories import make_cluster, make_content, make_idea, make_keyword, make_task


def make_archived(session: Session, rows: dict[str, str], word: str) -> dict[str, str]:
    """Each with the word in its name, some of them linked to the rows in use."""
    sector, now = session.get_one(Sector, int(rows["sector"])), datetime.now(UTC)
    cluster, idea, task = int(rows["cluster"]), int(rows["idea"]), int(rows["task"])
    made: dict[str, Any] = {
        "cluster": make_cluster(session, sector, name=f"{word} cluster"),
        "keyword": make_keyword(session, sector, text=f"{word} keyword", cluster_id=cluster, volume=900),
        "idea": make_idea(session, sector, title=f"{word} idea", cluster_id=cluster),
        "task": make_task(session, sector, title=f"{word} task", idea_id=idea, due_on=now.date()),
        "content": make_content(session, sector, title=f"{word} article", task_id=task),
    }
    keep_first_version(session, made["content"])
    for kind, row in made.items():
        model = MODELS[kind]
        session.execute(update(model).where(model.id == row.id).values(archived_at=now))
    session.commit()
    return {kind: str(row.id) for kind, row in made.items()}
