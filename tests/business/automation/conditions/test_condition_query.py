"""The same conditions in Python and in SQL: one result, on both databases, for every record."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from sqlalchemy import Select, insert, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.archived_rows import IN_USE
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions import query as condition_query
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.nodes import Count, O
from app.business.automation.services.conditions.operators import RELATIONS
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.planner.models import Keyword
from tests import factories
from tests.business.automation.conditions.condition_cases import TELLING, Case, cases
from tests.business.automation.conditions.condition_records import a_pipeline
from tests.sampling import FULL

SEEDS = range(4) if FULL else range(1)
TREES = 1_500 if FULL else 50
"""Trees for each seed of records; each is evaluated for every record of its type, fourteen on average."""

BERLIN = ZoneInfo("Europe/Berlin")
Pipeline = tuple[Session, int, int]


@pytest.fixture
def pipeline(session: Session, now: datetime) -> Pipeline:
    """Records of every type with missing, empty and extreme values; account and rule ids."""
    return session, *a_pipeline(session, now, seed=2)


@pytest.fixture(params=SEEDS)
def any_pipeline(session: Session, now: datetime, request: pytest.FixtureRequest) -> Pipeline:
    """The same with other random values: not every set has a matching record for each operator."""
    return session, *a_pipeline(session, now, seed=request.param)


def compare(pipeline: Pipeline, case: Case, now: datetime) -> tuple[int, int]:
    """Evaluate one tree over all records of its type in both ways; returns the number of matches, and of records."""
    session, account_id, rule_id = pipeline
    node = parse_conditions(case.conditions, record_type=case.record_type)
    model = MODELS[case.record_type] if case.record_type else Account
    frame = {"scope": RuleScope(account_id, None, None), "now": now, "zone": BERLIN, "rule_id": rule_id}
    clause = matching(node, record_type=case.record_type, **frame)
    selected = set(session.scalars(select(model.id).where(clause)))
    ids = [account_id] if model is Account else session.scalars(select(model.id)).all()
    facts = load_facts(session, case.record_type, ids, conditions=[node], **frame)
    check = ConditionEvaluator().compiled(node)
    assert selected == {key for key in facts if check(facts[key])}
    return len(selected), len(ids)


def searching(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not FULL,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_python_and_sql_agree_on_every_tree_and_record(any_pipeline: Pipeline, now: datetime) -> None:
    @searching(TREES)
    @given(cases())
    def agree(case: Case) -> None:
        compare(any_pipeline, case, now)

    agree()


@pytest.mark.parametrize("conditions", TELLING, ids=str)
def test_each_kind_of_question_separates_records_alike(
    pipeline: Pipeline, conditions: dict[str, Any], now: datetime
) -> None:
    matched, offered = compare(pipeline, Case("keyword", conditions), now)
    others, _ = compare(pipeline, Case("keyword", {"not": conditions}), now)
    assert 0 < matched < offered
    assert matched + others == offered


def test_a_planted_difference_is_found(
    pipeline: Pipeline, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Makes a missing value turn a condition unknown instead of false, as plain SQL does."""
    monkeypatch.setattr(condition_query, "_certain", lambda clause, *_sides: clause)

    @searching(TREES)
    @example(Case("keyword", {"not": {"field": "difficulty", "operator": "gte", "value": 30}}))
    @given(cases())
    def agree(case: Case) -> None:
        compare(pipeline, case, now)

    with pytest.raises(AssertionError):
        agree()


AROUND: list[dict[str, Any]] = [
    {"count": "keyword", "of": "site"},
    {"count": "keyword", "of": "site", "where": TELLING[11]},
    {"count": "keyword", "of": "account", "where": TELLING[12]},
    {"count": "content", "of": "site", "where": TELLING[10]},
    {"count": "content", "of": "account", "where": TELLING[10]},
    {
        "count": "keyword",
        "of": "site",
        "where": {"field": "volume", "operator": "eq", "value": {"field": "record.volume"}},
    },
    {
        "count": "cluster",
        "of": "account",
        "where": {
            "field": "name",
            "operator": "contains",
            "value": {"field": "record.text"},
            "ignore_case": True,
        },
    },
]


@pytest.mark.parametrize("asked", AROUND, ids=str)
def test_counts_around_a_record_are_those_of_reading_every_record(
    pipeline: Pipeline, asked: dict[str, Any], now: datetime
) -> None:
    """Compares the database's counts with the evaluator over all rows."""
    session, account_id, rule_id = pipeline
    frame = {"scope": RuleScope(account_id, None, None), "now": now, "zone": BERLIN, "rule_id": rule_id}
    ids = session.scalars(select(Keyword.id)).all()
    counted = _by_reading(session, asked, frame)
    for number in {0, *counted.values()}:
        for operator in ("eq", "gt"):
            node = parse_conditions(asked | {"operator": operator, "value": number}, record_type="keyword")
            selected = session.scalars(
                select(Keyword.id).where(matching(node, record_type="keyword", **frame))
            )
            wanted = RELATIONS[O(operator)]
            assert set(selected) == {key for key, found in counted.items() if wanted(found, number)}
    facts = load_facts(session, "keyword", ids, conditions=[node], **frame)
    assert {key: ConditionEvaluator().trace(node, facts[key])["actual"] for key in ids} == counted


def _by_reading(session: Session, asked: dict[str, Any], frame: dict[str, Any]) -> dict[int, int]:
    """The count for each keyword by the evaluator, over all rows of the site or the account."""
    node = parse_conditions(asked | {"operator": "gte", "value": 0}, record_type="keyword")
    assert isinstance(node, Count)
    own = parse_conditions({"all": [_there("site"), _there("volume"), _there("text")]}, record_type="keyword")
    placed = parse_conditions(_there("site"), record_type=node.relation)
    keywords, ids = (
        session.scalars(select(Keyword.id)).all(),
        session.scalars(select(MODELS[node.relation].id)).all(),
    )
    whole = load_facts(session, "keyword", keywords, conditions=[own], **frame)
    rows = load_facts(session, node.relation, ids, conditions=[placed, node.where], **frame)
    for key, facts in whole.items():
        facts.counted[node.key] = [
            row
            for number, row in rows.items()
            if (node.of == "account" or row["site"] == facts["site"])
            and (node.relation != "keyword" or number != key)
        ]
    return {key: ConditionEvaluator().trace(node, facts)["actual"] for key, facts in whole.items()}


def _there(field: str) -> dict[str, str]:
    return {"field": field, "operator": "is_not_empty"}


def test_facts_loaded_at_once_and_on_demand_are_equal(pipeline: Pipeline, now: datetime) -> None:
    session, account_id, rule_id = pipeline
    frame = {"scope": RuleScope(account_id, None, None), "now": now, "zone": BERLIN, "rule_id": rule_id}
    conditions = {"count": "content", "where": {"field": "outline", "operator": "eq", "value": True}}
    node = parse_conditions(conditions | {"operator": "gte", "value": 1}, record_type="cluster")
    ids = session.scalars(select(MODELS["cluster"].id)).all()
    whole = load_facts(session, "cluster", ids, **frame)
    needed = load_facts(session, "cluster", ids, conditions=[node], **frame)
    check = ConditionEvaluator().compiled(node)
    assert {key: check(facts) for key, facts in whole.items()} == {
        key: check(facts) for key, facts in needed.items()
    }
    assert len(whole) == len(needed) > 2


def test_a_foreign_record_has_no_facts(pipeline: Pipeline, now: datetime) -> None:
    session, _, _ = pipeline
    other = factories.make_account(session)
    ids = session.scalars(select(Keyword.id)).all()
    assert load_facts(session, "keyword", ids, scope=RuleScope(other.id, None, None), now=now, zone=UTC) == {}


def test_status_and_volume_in_an_account_use_an_index(session: Session, now: datetime) -> None:
    account = factories.make_account(session)
    _many_keywords(session, account)
    conditions = {
        "all": [
            {"field": "status", "operator": "eq", "value": "new"},
            {"field": "volume", "operator": "gte", "value": 2990},
        ]
    }
    node = parse_conditions(conditions, record_type="keyword")
    clause = matching(node, record_type="keyword", scope=RuleScope(account.id, None, None), now=now, zone=UTC)
    query = select(Keyword.id).where(Keyword.account_id == account.id, clause)
    plan = _plan(session, query)
    # Which of the two serves better depends on how many have that status, and that volume.
    used = re.search(r"ix_keyword_account_id_(status_volume|volume_id)", plan)
    assert used
    assert "volume" in plan[used.end() :]


def _many_keywords(session: Session, account: Account) -> None:
    sector = factories.make_sector(session, factories.make_site(session, account))
    place = {"account_id": account.id, "site_id": sector.site_id, "sector_id": sector.id}
    stamps = {"status_since": factories.NOW, "created_at": factories.NOW, "updated_at": factories.NOW}
    rows = [
        {"text": f"keyword {number}", "volume": number, "status": "new", "labels": [], **place, **stamps}
        for number in range(3000)
    ]
    session.execute(insert(Keyword), rows)
    session.execute(text("ANALYZE"))


def _plan(session: Session, query: Select[tuple[int]]) -> str:
    dialect = session.get_bind().dialect
    statement = str(query.options(IN_USE).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN" if dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row) for row in session.execute(text(f"{explain} {statement}")))
