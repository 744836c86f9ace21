"""The order in which a rule takes records: in SQL, in the sentence, and in the run's result."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.catalogue.field_types import Frame, RuleScope
from app.business.automation.services.catalogue.record_models import MODELS, RECORD_TYPES
from app.business.automation.services.catalogue.record_order import (
    order_clauses,
    order_words,
    sortable_fields,
)
from app.business.automation.services.conditions.match_preview import preview_matches
from app.business.automation.services.conditions.record_fields import load_rows
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.why.explanation import why
from app.business.errors import Invalid
from app.business.planner.models import Keyword, Sector
from tests.business.automation.conditions.condition_records import a_pipeline
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import HOURLY, IDEAS, LABEL, clusters_with_keywords
from tests.factories import NOW, make_keyword

pytestmark = pytest.mark.both_databases

NOTIFY = {"type": "notify", "params": {"message": "Hi"}}
VOLUMES = [50, None, 900, 10, 900]
PLANNED = {"trigger": "schedule", "schedule": HOURLY, "record_type": "keyword", "actions": [LABEL]}


@pytest.fixture
def keywords(session: Session, sector: Sector) -> list[Keyword]:
    return [
        make_keyword(session, sector, text=text, volume=volume)
        for text, volume in zip(["pear", "fig", "apple", "plum", "kiwi"], VOLUMES, strict=True)
    ]


def records_of(session: Session, run: ScheduledTask) -> list[int]:
    return session.scalars(select(RunDetail.records).where(RunDetail.run_id == run.id)).one() or []


def places(session: Session, keywords: list[Keyword], run: ScheduledTask) -> list[int]:
    ids = [keyword.id for keyword in keywords]
    return [ids.index(record_id) for record_id in records_of(session, run)]


@pytest.mark.parametrize(("order", "taken", "words"), [
    ("oldest", [0, 1, 2], ""),
    ("newest", [4, 3, 2], "the newest first"),
    ("volume", [3, 0, 2], "the lowest volume first"),
    ("-volume", [2, 4, 0], "the highest volume first"),
    ("text", [2, 1, 4], "by keyword from A to Z"),
    ("-text", [3, 0, 4], "by keyword from Z to A"),
])  # fmt: skip
def test_a_rule_takes_its_records_in_its_order_and_the_run_names_it(
    machine: Machine, session: Session, account: Account, keywords: list[Keyword],
    order: str, taken: list[int], words: str,
) -> None:  # fmt: skip
    rule = machine.make_rule(account, **PLANNED, order=order, record_limit=3)
    if words:
        assert f"for up to 3 keywords, {words}: update" in summary_of(read_definition(rule))
    machine.pass_time(minutes=7)
    machine.settle()
    (run,) = machine.runs()
    assert places(session, keywords, run) == taken
    others = [keyword for place, keyword in enumerate(keywords) if place not in taken]
    happened = why(session, rule, others[0], machine.now).moments[0]
    assert (
        happened.sentence == f"The run took 3 keywords of the 5 that matched, {words or 'the oldest first'}."
    )


def test_at_random_any_may_come_and_none_twice(
    machine: Machine, session: Session, account: Account, keywords: list[Keyword]
) -> None:
    rule = machine.make_rule(account, **PLANNED, order="random", record_limit=3)
    machine.run_now(rule)
    first, second = (places(session, keywords, run) for run in machine.runs(Status.COMPLETED))
    assert (len(first), sorted([*first, *second])) == (3, [0, 1, 2, 3, 4])


def test_the_most_searched_clusters_are_paid_for_first(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 3)
    for cluster_id, volume in zip(clusters, (10, 700, 300), strict=True):
        make_keyword(session, sector, cluster_id=cluster_id, volume=volume, status="clustered")
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=[IDEAS], order="-total_volume", credit_limit_per_execution=5
    )  # fmt: skip
    machine.run_now(rule, record_ids=clusters)
    taken = [record_id for run in machine.runs() for record_id in records_of(session, run)]
    assert taken == [clusters[1], clusters[2], clusters[0]]


NO_ORDERS = [
    ("keyword", ""),
    ("keyword", "labels"),
    ("keyword", "--volume"),
    ("keyword", "total_volume"),
    ("keyword", "-account.credits_percent"),
    ("cluster", "Oldest"),
    ("task", "content.outline"),
    (None, "newest"),
    (None, "volume"),
]


@pytest.mark.parametrize(("record_type", "order"), NO_ORDERS)
def test_an_unknown_order_is_refused(
    machine: Machine, account: Account, record_type: str | None, order: str
) -> None:
    with pytest.raises(Invalid) as refused:
        machine.make_rule(account, **PLANNED | {"record_type": record_type, "actions": [NOTIFY]}, order=order)
    assert list(refused.value.errors) == ["order"]


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_sql_sorts_as_python_does(session: Session, record_type: str) -> None:
    account_id, _ = a_pipeline(session, NOW)
    model: Any = MODELS[record_type]
    scope, zone = RuleScope(account_id, None, None), ZoneInfo("UTC")
    ids = list(session.scalars(select(model.id).where(model.account_id == account_id).order_by(model.id)))
    names = {field.name for field in sortable_fields(record_type)}
    rows = load_rows(session, record_type, ids, names, scope=scope, now=NOW, zone=zone)
    for name in names:
        for order in (name, f"-{name}"):
            clauses = order_clauses(order, record_type, model, Frame(scope, NOW, zone))
            found = session.scalars(select(model.id).where(model.account_id == account_id).order_by(*clauses))
            known = [record_id for record_id in ids if rows[record_id][name] is not None]
            known.sort(key=lambda record_id: rows[record_id][name], reverse=order.startswith("-"))
            assert list(found) == [*known, *(record_id for record_id in ids if record_id not in known)], order
            assert order_words(order, record_type) != order


def test_the_preview_shows_the_first_in_that_order(session: Session, keywords: list[Keyword]) -> None:
    scope = RuleScope(keywords[0].account_id, None, None)
    found = preview_matches(
        session, Frame(scope, NOW, ZoneInfo("UTC")), record_type="keyword", conditions={}, order="-volume"
    )
    assert [title for _, title in found.first] == ["apple", "kiwi", "pear", "plum", "fig"]
