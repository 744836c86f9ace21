"""Numbers of records by when they were made: at every moment those of the records, however they came and changed."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.record_total_models import RecordChange, RecordSum
from app.business.automation.services.auditing.record_sum_queries import wrong_record_sums
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.history import pipeline, record_sums
from app.business.automation.services.history.pipeline import Pipeline, Stage
from app.business.periods import this_month
from app.business.planner.models import Keyword, Record, Sector
from app.business.row_sets import insert_each
from tests.factories import (
    make_account,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.query_plans import read, selected
from tests.sampling import times

pytestmark = pytest.mark.both_databases

MAKERS = {
    "keyword": make_keyword, "cluster": make_cluster, "idea": make_idea, "task": make_task, "content": make_content,
}  # fmt: skip
STATUSES = {"idea": ("new", "rejected"), "content": ("draft", "review", "approved", "published")}
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland")


def from_records(session: Session, scope: Scope, month: datetime, period: datetime) -> Pipeline:
    """The same, record by record."""
    stages, to_check = [], 0
    for key, model in MODELS.items():
        found = [row for row in records(session, model) if scope.holds(row.site_id)]
        mine = [row for row in found if row.account_id == scope.account_id and row.archived_at is None]
        if key == "idea":
            mine = [row for row in mine if row.status != "rejected"]
        made = [row.created_at for row in mine]
        by_rules = [row.created_at for row in mine if row.made_by_run_id]
        stages.append(Stage(key, len(mine), since(month, made), since(period, by_rules)))
        if key == "content":
            out = [row.status_since for row in mine if row.status == "published"]
            to_check = sum(row.status in ("draft", "review") for row in mine)
    stages.append(Stage("published", len(out), since(month, out), since(period, out)))
    return Pipeline(stages, to_check)


def records(session: Session, model: type[Record]) -> Sequence[Record]:
    return session.scalars(select(model).execution_options(with_archived=True)).all()


def since(start: datetime, times: list[datetime]) -> int:
    return sum(at >= start for at in times)


class World:
    """Records of two accounts that are made, changed, archived and deleted."""

    def __init__(self, session: Session, chance: Random, now: datetime) -> None:
        self.session, self.chance, self.now = session, chance, now
        self.zone = chance.choice(ZONES)
        self.account = make_account(session, timezone=self.zone)
        sites = [make_site(session, self.account), make_site(session, self.account)]
        self.limited = Scope(self.account.id, frozenset([sites[0].id]))
        self.sectors = [
            make_sector(session, site) for site in (*sites, make_site(session, make_account(session)))
        ]

    def at(self) -> datetime:
        return self.now - timedelta(seconds=self.chance.randrange(70 * 86_400))

    def make(self) -> None:
        key, sector = self.chance.choice(list(MAKERS)), self.chance.choice(self.sectors)
        status = {"status": self.chance.choice(STATUSES[key])} if key in STATUSES else {}
        by = self.chance.choice([None, 7])
        MAKERS[key](
            self.session, sector, created_at=self.at(), status_since=self.at(), made_by_run_id=by, **status
        )

    def insert_many(self) -> None:
        sector, number = self.chance.choice(self.sectors), self.chance.randrange(10**9)
        like = make_keyword(self.session, sector, created_at=self.at())
        row = {c.name: getattr(like, c.name) for c in Keyword.__table__.columns if c.name != "id"}
        texts = (f"one of many {number} {one}" for one in range(5))
        self.session.execute(insert(Keyword), [row | {"text": text, "text_key": text} for text in texts])

    def archive(self) -> None:
        self.update({"archived_at": self.now})

    def restore(self) -> None:
        self.update({"archived_at": None})

    def change_status(self) -> None:
        key = self.chance.choice(list(STATUSES))
        changes = {"status": self.chance.choice(STATUSES[key]), "status_since": self.at()}
        self.update(changes, MODELS[key])

    def note(self) -> None:
        self.update({"note": "looked at", "made_by_run_id": self.chance.choice([None, 7])})

    def delete(self) -> None:
        model = self.model()
        self.session.execute(delete(model).where(model.id.in_(self.some(model)[:1])))

    def add_changes(self) -> None:
        record_sums.add_changes(self.session, self.chance.randrange(1, 6))

    def update(self, values: dict[str, object], model: type[Record] | None = None) -> None:
        model = model or self.model()
        self.session.execute(
            update(model).where(model.id.in_(self.some(model))).values(values),
            execution_options={"with_archived": True},
        )

    def model(self) -> type[Record]:
        return self.chance.choice(list(MODELS.values()))

    def some(self, model: type[Record]) -> list[int]:
        ids = [row.id for row in records(self.session, model)]
        return self.chance.sample(ids, min(len(ids), 3))


@pytest.mark.parametrize("seed", range(times(full=30, sample=2)))
def test_the_funnel_is_that_of_the_records_at_every_moment(
    session: Session, now: datetime, seed: int
) -> None:
    chance = Random(seed)
    world = World(session, chance, now)
    month = this_month(world.zone, now).start
    whole, periods = Scope(world.account.id), (month, now - timedelta(days=40), month + timedelta(days=9))
    steps = (
        *[world.make] * 6, world.insert_many, world.archive, world.restore, world.change_status, world.note,
        world.delete, *[world.add_changes] * 3,
    )  # fmt: skip
    for number in range(90):
        chance.choice(steps)()
        session.flush()
        session.expire_all()
        if number % 3:
            continue
        for scope in (whole, world.limited):
            for period in periods:
                start = record_sums.quarter_of(period)
                assert pipeline.pipeline(session, scope, month, period) == from_records(
                    session, scope, month, start
                )
        assert list(wrong_record_sums(session, now)) == []
    record_sums.keep_sums(lambda: nullcontext(session))
    assert session.scalar(select(func.count()).select_from(RecordChange)) == 0
    assert pipeline.pipeline(session, whole, month, month) == from_records(session, whole, month, month)
    assert list(wrong_record_sums(session, now)) == []


def test_the_funnel_reads_as_little_of_many_records(
    session: Session, account: Account, now: datetime
) -> None:
    sector = make_sector(session, make_site(session, account))
    month = this_month("UTC", now).start

    def taken(records: int) -> int:
        _import(session, sector, records, now)
        record_sums.keep_sums(lambda: nullcontext(session))
        with selected(session, lambda _statement: True) as statements:
            flow = pipeline.pipeline(session, Scope(account.id), month, month)
        assert flow.stage("keyword").count == flow.stage("keyword").came >= records
        return sum(read(session, *statement) for statement in statements)

    few = taken(100)
    # SQLite counts its instructions by hundreds.
    assert taken(9_900) <= few + 100


def _import(session: Session, sector: Sector, number: int, now: datetime) -> None:
    like = make_keyword(session, sector, created_at=now)
    row = {c.name: getattr(like, c.name) for c in Keyword.__table__.columns if c.name != "id"}
    texts = (f"imported {number} {one}" for one in range(number - 1))
    insert_each(session, Keyword, [row | {"text": text, "text_key": text} for text in texts])


def test_records_that_are_made_together_are_one_change(
    session: Session, account: Account, now: datetime
) -> None:
    sector = make_sector(session, make_site(session, account))
    _import(session, sector, 300, now)
    changes = session.scalars(select(RecordChange.records)).all()
    assert sum(changes) == 300
    assert len(changes) <= 2
    session.execute(update(Keyword).values(note="seen", status="clustered"))
    assert session.scalar(select(func.sum(RecordChange.records))) == 300


@pytest.mark.parametrize("named", ["records", "by_rules"])
def test_a_wrong_sum_and_a_lost_change_are_found(
    session: Session, account: Account, now: datetime, named: str
) -> None:
    sector = make_sector(session, make_site(session, account))
    make_content(session, sector, created_at=now, made_by_run_id=7)
    record_sums.keep_sums(lambda: nullcontext(session))
    assert list(wrong_record_sums(session, now)) == []
    column = getattr(RecordSum, named)
    for span in ("all", "day", "quarter"):
        of_span = (RecordSum.span == span, RecordSum.kind == "content")
        session.execute(update(RecordSum).where(*of_span).values({named: column + 1}))
        assert {account_id for account_id, _ in wrong_record_sums(session, now)} == {account.id}
        session.execute(update(RecordSum).where(*of_span).values({named: column - 1}))
    make_content(session, sector, created_at=now)
    assert list(wrong_record_sums(session, now)) == []
    session.execute(delete(RecordChange))
    assert [said for _, said in wrong_record_sums(session, now)] == [
        f"site {sector.site_id} content: -1 +0",
        f"site {sector.site_id} to_check: -1 +0",
    ]


def test_quarters_and_days_begin_where_they_do() -> None:
    at = datetime(2026, 11, 24, 9, 44, 59, 999_999, tzinfo=UTC)
    assert record_sums.quarter_of(at) == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    assert record_sums.next_day(at) == datetime(2026, 11, 25, tzinfo=UTC)
    assert record_sums.next_day(datetime(2026, 11, 24, tzinfo=UTC)) == datetime(2026, 11, 24, tzinfo=UTC)
