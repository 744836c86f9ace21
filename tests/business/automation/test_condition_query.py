"""The same conditions in Python and in SQL: one verdict, on both databases, for every record."""

import os
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Select, insert, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services import condition_operators, condition_query
from app.business.automation.services.condition_evaluator import ConditionEvaluator
from app.business.automation.services.condition_nodes import O
from app.business.automation.services.condition_query import matching
from app.business.automation.services.condition_tree import parse_conditions
from app.business.automation.services.record_fields import load_facts
from app.business.automation.services.record_models import MODELS
from app.business.planner.models import Keyword
from tests import factories
from tests.business.automation.condition_cases import Case, a_pipeline, cases

FULL = os.environ.get("TRIALS") == "full"
SEEDS = range(4) if FULL else range(1)
TREES = 5_000 if FULL else 400
"""Trees for each seed of records; each tree is decided for every record of its type."""

BERLIN = ZoneInfo("Europe/Berlin")
Pipeline = tuple[Session, int, int]


@pytest.fixture(params=SEEDS)
def pipeline(session: Session, now: datetime, request: pytest.FixtureRequest) -> Pipeline:
    """Records of every type with missing, empty and extreme values; account and rule ids."""
    return session, *a_pipeline(session, now, seed=request.param)


def compare(pipeline: Pipeline, case: Case, now: datetime) -> None:
    """One tree over all records of its type, decided twice."""
    session, account_id, rule_id = pipeline
    node = parse_conditions(case.conditions, record_type=case.record_type)
    model = MODELS[case.record_type] if case.record_type else Account
    frame = {"account_id": account_id, "now": now, "zone": BERLIN, "rule_id": rule_id}
    ids = session.scalars(select(model.id)).all() if case.record_type else [account_id]
    clause = matching(node, record_type=case.record_type, **frame)
    selected = set(session.scalars(select(model.id).where(clause, model.id.in_(ids))))
    refused = set(session.scalars(select(model.id).where(~clause, model.id.in_(ids))))
    facts = load_facts(session, case.record_type, ids, conditions=[node], **frame)
    evaluator = ConditionEvaluator()
    judged = {key for key in ids if key in facts and evaluator.evaluate(node, facts[key])}
    assert selected == judged
    assert refused == set(ids) - judged


def searching(examples: int) -> settings:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=checks, database=None, derandomize=not FULL
    )


def test_python_and_sql_agree_on_every_tree_and_record(
    pipeline: Pipeline, now: datetime
) -> None:
    @searching(TREES)
    @given(cases())
    def agree(case: Case) -> None:
        compare(pipeline, case, now)

    agree()


def test_a_planted_difference_is_found(
    pipeline: Pipeline, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(condition_query._COMPARISONS, O.GTE, lambda left, right: left > right)

    @searching(400)
    @given(cases())
    def agree(case: Case) -> None:
        compare(pipeline, case, now)

    with pytest.raises(AssertionError):
        agree()
    assert condition_operators.RELATIONS[O.GTE](1, 1)


def test_facts_read_whole_and_facts_read_by_need_say_the_same(
    pipeline: Pipeline, now: datetime
) -> None:
    session, account_id, rule_id = pipeline
    frame = {"account_id": account_id, "now": now, "zone": BERLIN, "rule_id": rule_id}
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
    assert load_facts(session, "keyword", ids, account_id=other.id, now=now, zone=UTC) == {}


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
    clause = matching(node, record_type="keyword", account_id=account.id, now=now, zone=UTC)
    query = select(Keyword.id).where(Keyword.account_id == account.id, clause)
    plan = _plan(session, query)
    assert "ix_keyword_account_id_status_volume" in plan
    assert "volume" in plan.split("ix_keyword_account_id_status_volume", 1)[1]


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
    statement = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN" if dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row) for row in session.execute(text(f"{explain} {statement}")))
