"""Records outside of a rule's scope do not affect what the rule reads, however similar they are to those inside."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, insert, not_, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.catalogue.field_types import Frame, RuleScope
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, RECORD_TYPES, in_scope
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.match_preview import preview_matches
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.conditions.record_fields import load_facts, load_rows
from app.business.automation.services.rules.definition import parse_definition
from app.business.errors import Invalid
from app.business.folded_columns import folds_of, with_folded
from app.business.planner.models import Sector, Site
from tests import factories
from tests.business.automation.conditions.condition_cases import Case, count_leaves, trees
from tests.business.automation.conditions.condition_records import a_pipeline
from tests.sampling import FULL

TREES = 600 if FULL else 6
BERLIN = ZoneInfo("Europe/Berlin")
BOUND_TO = ("account", "site", "sector")
NAMED = {"keyword": "text", "cluster": "name", "idea": "title", "task": "title", "content": "title"}
LINKS = {"keyword": "cluster", "idea": "cluster", "task": "idea", "content": "task"}


class World:
    """An account whose rule is restricted to a part of it, and everything outside of that part."""

    def __init__(self, session: Session, now: datetime, bound_to: str) -> None:
        self.session, self.now = session, now
        self.account_id, self.rule_id = a_pipeline(session, now)
        site = session.scalars(select(Site).where(Site.account_id == self.account_id)).first()
        assert site is not None
        sector = session.scalars(select(Sector).where(Sector.site_id == site.id)).one()
        site_id = None if bound_to == "account" else site.id
        self.scope = RuleScope(self.account_id, site_id, sector.id if bound_to == "sector" else None)
        self.elsewhere = [factories.make_sector(session, factories.make_site(session, self._other_account()))]
        if bound_to != "account":
            self.elsewhere.append(
                factories.make_sector(session, factories.make_site(session, self._account()))
            )
        if bound_to == "sector":
            self.elsewhere.append(factories.make_sector(session, site))

    def _account(self) -> Account:
        return self.session.get_one(Account, self.account_id)

    def _other_account(self) -> Account:
        return factories.make_account(self.session)

    def inside(self, record_type: str) -> ColumnElement[bool]:
        return in_scope(MODELS[record_type], self.account_id, self.scope.site_id, self.scope.sector_id)

    def frame(self) -> dict[str, Any]:
        return {"scope": self.scope, "now": self.now, "zone": BERLIN, "rule_id": self.rule_id}

    def ids(self, record_type: str | None) -> list[int]:
        if record_type is None:
            return [self.account_id]
        model = MODELS[record_type]
        return list(self.session.scalars(select(model.id).where(self.inside(record_type)).order_by(model.id)))

    def read(self, case: Case) -> tuple[set[int], set[int]]:
        """The records that meet the conditions, by SQL and by facts."""
        record_type, frame = case.record_type, self.frame()
        node = parse_conditions(case.conditions, record_type=record_type)
        model: Any = MODELS[record_type] if record_type else Account
        mine = self.inside(record_type) if record_type else model.id == self.account_id
        clause = matching(node, record_type=record_type, **frame)
        selected = set(self.session.scalars(select(model.id).where(mine, clause)))
        facts = load_facts(self.session, record_type, self.ids(record_type), conditions=[node], **frame)
        check = ConditionEvaluator().compiled(node)
        return selected, {key for key, one in facts.items() if check(one)}

    def texts(self) -> dict[str | None, dict[str, Any]]:
        """All values that texts of a rule can contain, of a record and of the account."""
        frame = {name: value for name, value in self.frame().items() if name != "rule_id"}
        return {
            name: load_rows(self.session, name, self.ids(name)[-1:], set(fields_of(name)), **frame)
            for name in ("keyword", "content", None)
        }

    def fill_with_look_alikes(self) -> None:
        """Copies of everything outside, linked like the originals and among themselves."""
        self._change_what_is_outside()
        for place in self.elsewhere:
            copies: dict[str, dict[int, int]] = {}
            for record_type in ("cluster", "keyword", "idea", "task", "content"):
                copies[record_type] = self._copy(
                    record_type, place, copies.get(LINKS.get(record_type, ""), {})
                )
        self.session.flush()
        self.session.expire_all()

    def _change_what_is_outside(self) -> None:
        for record_type in RECORD_TYPES:
            model: Any = MODELS[record_type]
            outside = (model.account_id == self.account_id, not_(self.inside(record_type)))
            for key in self.session.scalars(select(model.id).where(*outside)).all():
                values: dict[str, Any] = {NAMED[record_type]: f"changed {key}", "labels": ["changed"]}
                if record_type == "keyword":
                    values |= {"volume": 77, "cluster_id": self._any_parent("cluster", key)}
                self.session.execute(
                    update(model).where(model.id == key).values(**with_folded(model, values))
                )

    def _any_parent(self, record_type: str, key: int) -> int | None:
        ids = self.ids(record_type)
        return ids[key % len(ids)] if ids else None

    def _copy(self, record_type: str, place: Sector, parents: dict[int, int]) -> dict[int, int]:
        table, link = MODELS[record_type].__table__, f"{LINKS.get(record_type)}_id"
        where = {"account_id": place.account_id, "site_id": place.site_id, "sector_id": place.id}
        is_ours, made = place.account_id == self.account_id, {}
        for row in self._originals(record_type):
            left = {"id", "made_key", "text_key", *folds_of(table)}
            values = {key: value for key, value in row.items() if key not in left} | where
            if record_type == "keyword" and place.site_id == self.scope.site_id:
                values["text"] += f" {place.id}"
            if not is_ours:
                values["assignee_id"] = None
            if link in values and (not is_ours or row["id"] % 2):
                values[link] = parents.get(values[link])
            made[row["id"]] = self.session.execute(
                insert(table).values(**values).returning(table.c.id)
            ).scalar_one()
        return made

    def _originals(self, record_type: str) -> Iterable[dict[str, Any]]:
        table: Any = MODELS[record_type].__table__
        rows = self.session.execute(select(table).where(table.c.id.in_(self.ids(record_type)))).mappings()
        return [dict(row) for row in rows.all()]


@st.composite
def questions(draw: st.DrawFn) -> Case:
    """Conditions that mostly involve other records."""
    record_type = draw(st.sampled_from([*RECORD_TYPES, None]))
    kind = draw(st.sampled_from(["count", "count", "tree"]))
    return Case(record_type, draw(count_leaves(record_type) if kind == "count" else trees(record_type, 2)))


def drawn(count: int) -> list[Case]:
    found: list[Case] = []

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=not FULL,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(questions())
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


@pytest.mark.parametrize("bound_to", BOUND_TO)
def test_look_alikes_outside_the_scope_change_no_verdict(
    session: Session, now: datetime, bound_to: str
) -> None:
    world, cases = World(session, now, bound_to), drawn(TREES)
    before = [world.read(case) for case in cases]
    texts = world.texts()
    world.fill_with_look_alikes()
    for case, verdicts in zip(cases, before, strict=True):
        assert world.read(case) == verdicts, case
    assert world.texts() == texts


def test_a_rule_on_one_site_counts_what_is_there(session: Session, now: datetime) -> None:
    account = factories.make_account(session)
    here, there = (factories.make_sector(session, factories.make_site(session, account)) for _ in range(2))
    for _ in range(3):
        factories.make_content(session, there, status="review")
    asked = {"count": "content", "where": {"field": "status", "operator": "eq", "value": "review"}}
    node = parse_conditions(asked | {"operator": "gte", "value": 3}, record_type=None)
    verdicts = {}
    for name, site_id in (("here", here.site_id), ("there", there.site_id), ("everywhere", None)):
        frame: dict[str, Any] = {"scope": RuleScope(account.id, site_id, None), "now": now, "zone": BERLIN}
        facts = load_facts(session, None, [account.id], conditions=[node], **frame)[account.id]
        chosen = session.scalars(select(Account.id).where(matching(node, record_type=None, **frame))).all()
        assert (account.id in chosen) is ConditionEvaluator().evaluate(node, facts)
        verdicts[name] = account.id in chosen
    assert verdicts == {"here": False, "there": True, "everywhere": True}


def test_the_form_counts_within_the_scope_too(session: Session, now: datetime) -> None:
    account = factories.make_account(session)
    here, there = (factories.make_sector(session, factories.make_site(session, account)) for _ in range(2))
    cluster = factories.make_cluster(session, here)
    factories.make_idea(session, there, cluster_id=cluster.id)
    asked = {"count": "idea", "operator": "gte", "value": 1}
    counts = [
        preview_matches(
            session, Frame(RuleScope(account.id, site_id, None), now, BERLIN), record_type="cluster", conditions=asked
        ).count
        for site_id in (None, here.site_id)
    ]  # fmt: skip
    assert counts == [1, 0]


def test_a_run_for_one_of_many_sites_counts_that_site(session: Session, now: datetime) -> None:
    account = factories.make_account(session)
    here, there = (factories.make_sector(session, factories.make_site(session, account)) for _ in range(2))
    for sector in (here, there, there):
        factories.make_content(session, sector)
    counted = {}
    for of in ("related", "site", "account"):
        asked = {"count": "content", "of": of, "operator": "gte", "value": 0}
        node = parse_conditions(asked, record_type=None)
        scope = RuleScope(account.id, None, None, split_site_id=here.site_id)
        facts = load_facts(session, None, [account.id], scope=scope, now=now, zone=BERLIN, conditions=[node])
        counted[of] = ConditionEvaluator().trace(node, facts[account.id])["actual"]
    assert counted == {"related": 1, "site": 1, "account": 3}


@pytest.mark.parametrize(
    ("place", "is_refused"), [({}, True), ({"site": 1}, False), ({"split_by": "site"}, False)]
)
def test_a_rule_without_a_site_counts_on_none(place: dict[str, Any], is_refused: bool) -> None:
    asked = {"count": "content", "of": "site", "operator": "gte", "value": 5}
    rule: dict[str, Any] = {
        "name": "Much to check",
        "trigger": "schedule",
        "schedule": {"cron": "0 9 * * *"},
        "record_type": None,
        "conditions": {"any": [asked]},
        "actions": [{"type": "notify", "params": {"message": "Look"}}],
    }
    try:
        parse_definition(rule | place, shortest_interval_minutes=15)
        refused: dict[str, list[str]] = {}
    except Invalid as refusal:
        refused = refusal.errors
    assert list(refused) == (["conditions"] if is_refused else [])
