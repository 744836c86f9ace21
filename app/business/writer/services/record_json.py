"""Records as the REST API shows them, for messages that leave."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Idea, Keyword, Record
from app.business.planner.services.record_lists import cluster_figures
from app.business.writer.models import Content, Task

OF_ALL = {
    "id": "id",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "site": "site_id",
    "sector": "sector_id",
    "status": "status",
    "status_since": "status_since",
    "labels": "labels",
    "note": "note",
    "assignee": "assignee_id",
    "made_by_run": "made_by_run_id",
}
"""Key -> attribute of the row."""


def _same(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


FIGURES = (
    "text volume difficulty cpc intent country language position clicks impressions url intents parent_keyword "
    "traffic_potential serp_features match_type"
)
TEXTS = "title html meta_title meta_description main_keyword word_count score checks_failed outline kind published_url"
OF_TYPE: Mapping[str, tuple[type[Record], dict[str, str]]] = {
    "keyword": (Keyword, _same(FIGURES) | {"cluster": "cluster_id"}),
    "cluster": (Cluster, _same("name main_keyword main_intent")),
    "idea": (Idea, {"cluster": "cluster_id"} | _same("title description content_type main_keyword")),
    "task": (Task, {"idea": "idea_id"} | _same("title brief task_type main_keyword word_count due_on")),
    "content": (Content, {"task": "task_id"} | _same(TEXTS)),
}


def records_json(session: Session, record_type: str, ids: Sequence[int]) -> list[dict[str, JsonValue]]:
    """The present values of these records, in this order; those that are gone are left out."""
    model, columns = OF_TYPE[record_type]
    query = select(model).where(model.id.in_(ids)).execution_options(populate_existing=True)
    rows = {row.id: row for row in session.scalars(query)}
    figures = cluster_figures(session, list(rows)) if model is Cluster else {}
    shown = []
    for record_id in ids:
        if row := rows.get(record_id):
            values = {key: _plain(getattr(row, column)) for key, column in (OF_ALL | columns).items()}
            more = asdict(figures[record_id]) if record_id in figures else {}
            shown.append(values | more)
    return shown


def _plain(value: Any) -> JsonValue:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
