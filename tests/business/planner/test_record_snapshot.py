"""The snapshot in an event restores the record as it was, whatever happens to it afterwards."""

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.events import Event, EventBatch, EventType, Origin
from app.business.planner.models import Cluster, Idea, Keyword, Sector
from app.business.planner.services.cluster_service import create_cluster, place_keywords
from app.business.planner.services.import_file import ImportRow
from app.business.planner.services.import_writing import Target, make_ready, write_rows
from app.business.planner.services.keyword_service import add_keyword, clean_figures, update_keyword
from app.business.planner.services.record_snapshot import (
    CLUSTER_FIGURES,
    kept_names,
    restored,
    snapshot_of_new,
    snapshots,
)
from app.business.writer.models import Content, Task
from tests.factories import (
    NOW,
    make_account,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)

LATER = NOW + timedelta(days=2)


@pytest.fixture
def sector(session: Session) -> Sector:
    return make_sector(session, make_site(session, make_account(session)))


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (make_keyword, {"volume": 0, "difficulty": 1.5, "labels": ["a"], "cluster_tried_at": NOW}),
        (make_keyword, {}),
        (make_cluster, {"main_intent": "commercial", "status": "planned"}),
        (make_idea, {"status": "accepted", "content_type": "list"}),
        (make_task, {"due_on": NOW.date(), "word_count": 300, "status": "queued"}),
        (make_content, {"outline": True, "published_at": NOW, "published_url": "https://a.example/"}),
    ],
)  # fmt: skip
def test_a_restored_snapshot_equals_the_record(
    session: Session, sector: Sector, make: Any, values: dict[str, Any]
) -> None:
    record = make(session, sector, **values)
    model = type(record)
    names = sorted(kept_names(model) - set(CLUSTER_FIGURES) - {"updated_at"})
    for at in (NOW, LATER):
        kept = snapshots(session, model, [record.id], at)[record.id]
        assert restored(model, kept, at, names) == [getattr(record, name) for name in names]


def test_long_texts_and_what_never_changes_are_left_out() -> None:
    assert kept_names(Keyword) >= {
        "text",
        "volume",
        "status",
        "labels",
        "cluster_id",
        "status_since",
        "updated_at",
    }
    for model, names in ((Keyword, {"note", "account_id", "site_id"}), (Idea, {"description"}), (Task, {"brief"}),
                         (Content, {"html", "made_key"})):  # fmt: skip
        assert not kept_names(model) & names


def test_an_event_keeps_the_past_values_of_its_record(session: Session, sector: Sector) -> None:
    origin = Origin(sector.account_id)
    keyword = add_keyword(session, sector, {"text": "iron pan", "volume": 900}, origin=origin, now=NOW)
    update_keyword(session, keyword, {"volume": 5}, origin=origin, now=LATER)
    (kept,) = session.scalars(select(Event.snapshot))
    assert kept == {"text": "iron pan", "volume": 900, "status": "new"}


def test_a_cluster_keeps_its_counts_and_a_keyword_its_cluster(session: Session, sector: Sector) -> None:
    origin = Origin(sector.account_id)
    ids = [make_keyword(session, sector, volume=volume).id for volume in (10, 20)]
    cluster = create_cluster(session, sector, {"name": "Pans"}, origin=origin, now=NOW)
    place_keywords(session, cluster, ids, ["new"], origin=origin, now=NOW)
    kept = snapshots(session, Cluster, [cluster.id], NOW)[cluster.id]
    assert restored(Cluster, kept, NOW, CLUSTER_FIGURES) == [2, 0, 30]
    moved = select(Event.snapshot).join(EventBatch, EventBatch.id == Event.batch_id)
    for snapshot in session.scalars(moved.where(EventBatch.type == EventType.STATUS_CHANGED)):
        assert snapshot is not None
        assert snapshot["cluster_id"] == cluster.id


SAID: dict[str, list[Any]] = {
    "volume": [0, 1200],
    "difficulty": [12.5, 100],
    "cpc": [0.15, 3],
    "intent": ["informational"],
    "country": ["de", "Österreich"],
    "language": ["en"],
    "position": [3.2],
    "clicks": [4],
    "url": ["https://a.example/ü?q=1"],
    "parent_keyword": ["lamps"],
    "traffic_potential": [77],
}


@pytest.mark.both_databases
def test_what_an_import_keeps_of_a_new_keyword_is_what_reading_it_would_give(
    session: Session, sector: Sector
) -> None:
    chance = random.Random(5)
    rows = []
    for number in range(60):
        cells = {name: chance.choice(texts) for name, texts in SAID.items() if chance.random() < 0.5}
        text = f"lamp {number}"
        rows.append(ImportRow(number, sector.site_id, None, text, text, clean_figures(cells)))
    target = Target(sector.account_id, None, sector.id, "update")
    made = write_rows(session, make_ready(rows, target, NOW), target, NOW).new
    assert len(made) == 60
    for at in (NOW, LATER):
        read = snapshots(session, Keyword, [place.id for place, _ in made], at)
        assert {place.id: snapshot_of_new(Keyword, values, at) for place, values in made} == read
