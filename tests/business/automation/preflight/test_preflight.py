"""Findings of the preflight check before a rule is switched on: how grave, in which words, and where."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.preflight.check import Finding, preflight_check
from app.business.automation.services.rules.definition import (
    RuleDefinition,
    definition_from,
    parse_definition,
)
from app.business.automation.services.rules.versions import definition_of
from app.business.errors import Blocked
from app.business.planner.models import Sector
from tests.business.automation.preflight.pipeline_rules import (
    CLUSTER,
    IDEAS,
    NOTIFY,
    WRITE,
    add,
    becomes,
    leaf,
    set_status,
)
from tests.factories import NOW, make_account, make_ai_connection, make_cluster, make_site, make_task

DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}
EVENINGS: dict[str, Any] = {"trigger": "schedule", "schedule": {"cron": "0 22 * * *", "timezone": "UTC"}}


def draft(*actions: dict[str, Any], **changes: Any) -> RuleDefinition:
    data = {"name": "Draft", "trigger": "keyword_added", "actions": list(actions) or [NOTIFY]} | changes
    return parse_definition(data, shortest_interval_minutes=5)


def found(
    session: Session, account: Account, rule: RuleDefinition, rule_id: int | None = None
) -> list[Finding]:
    return preflight_check(session, account, rule, NOW, rule_id)


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.level.value) for finding in findings]


@pytest.fixture
def calm(account: Account) -> Account:
    """An account with a daily ceiling, so that there is no finding about that."""
    account.daily_ceiling = 500
    return account


def test_a_good_rule_has_no_findings(session: Session, calm: Account) -> None:
    good = leaf("volume", "gte", 500)
    assert found(session, calm, draft(CLUSTER, conditions=good, trigger="schedule", schedule=DAILY)) == []


def test_contradictions_are_named_by_place_and_words(session: Session, calm: Account) -> None:
    conditions = {
        "all": [
            leaf("status", "eq", "new"),
            leaf("volume", "gte", 500),
            {"all": [leaf("text", "contains", "shoe"), leaf("volume", "lt", 100)]},
        ]
    }
    (finding,) = found(session, calm, draft(conditions=conditions))
    assert (finding.code, finding.level, finding.field) == ("conditions_never", "stop", "conditions")
    assert finding.sentence == (
        "Condition 2 and condition 4 can never both hold: volume is at least 500, and volume is below 100."
    )


CONDITIONS: list[tuple[Any, str, str]] = [
    (leaf("volume", "lt", 0), "stop", "Condition 1 can never hold: volume is below 0."),
    (
        {"any": [leaf("volume", "gt", 5), {"all": [leaf("volume", "gt", 9), leaf("volume", "lt", 3)]}]},
        "warn",
        "Condition 2 and condition 3 can never both hold: volume is above 9, and volume is below 3. "
        "That alternative is never used.",
    ),
    (
        leaf("status", "in", ["new", "clustered", "ignored"]),
        "hint",
        "These conditions hold for every keyword, so they leave nothing out.",
    ),
    (
        {"all": [leaf("volume", "gte", 10), leaf("volume", "gte", 10.0)]},
        "hint",
        "Condition 1 and condition 2 say the same: volume is at least 10.",
    ),
    (
        {"all": [leaf("volume", "gte", 100), leaf("volume", "gte", 500)]},
        "hint",
        "Condition 1 adds nothing: condition 2 (volume is at least 500) already asks for more "
        "than “volume is at least 100”.",
    ),
    (
        {"any": [leaf("volume", "gte", 100), leaf("volume", "gte", 500)]},
        "hint",
        "Condition 2 adds nothing: condition 1 (volume is at least 100) already lets in more "
        "than “volume is at least 500”.",
    ),
]


@pytest.mark.parametrize(("conditions", "level", "sentence"), CONDITIONS, ids=lambda value: str(value)[:40])
def test_odd_conditions_are_reported(
    session: Session, calm: Account, conditions: dict[str, Any], level: str, sentence: str
) -> None:
    (finding,) = found(session, calm, draft(conditions=conditions))
    assert (finding.level, finding.sentence) == (level, sentence)


def test_an_action_whose_records_the_conditions_exclude(session: Session, calm: Account) -> None:
    used = {"conditions": leaf("status", "eq", "used"), "trigger": "idea_created"}
    tasks: dict[str, Any] = {"type": "create_tasks", "params": {}}
    assert codes(found(session, calm, draft(tasks, **used))) == [("action_idle", "stop")]
    (finding,) = found(session, calm, draft(NOTIFY, tasks, **used))
    assert (finding.level, finding.field) == ("warn", "actions[1]")
    assert "Action 2 (Create writing tasks) never has anything to do" in finding.sentence


STARTS: list[tuple[dict[str, Any], str, str]] = [
    ({"trigger": "schedule", "schedule": {"at": "2026-11-24T08:00:00Z"}}, "schedule_over", "has passed"),
    (
        {"trigger": "schedule", "schedule": DAILY | {"ends_at": "2026-11-23T08:00:00Z"}},
        "schedule_over",
        "ended on 23 Nov 2026 08:00 UTC",
    ),
    (
        {
            "trigger": "schedule",
            "schedule": DAILY | {"starts_at": "2026-11-25T10:00:00Z", "ends_at": "2026-11-26T08:00:00Z"},
        },
        "schedule_over",
        "No planned time lies between its start and its end.",
    ),
    (
        {"trigger": "schedule", "schedule": {"cron": "@hourly"}, "record_type": "keyword"},
        "daily_limit_below_schedule",
        "It is planned 24 times a day, but may run only 10 times",
    ),
    (
        EVENINGS | {"record_type": "keyword", "conditions": leaf("now.hour", "lt", 12)},
        "schedule_against_conditions",
        "they ask for another hour or weekday",
    ),
    ({"trigger": "run_finished", "record_type": "keyword"}, "trigger_without_records", "never start"),
    (
        {"trigger": "run_finished", "trigger_options": {"status": "skipped"}},
        "run_end_never_told",
        "skipped runs tell no other rule",
    ),
    (
        {"trigger": "run_finished", "trigger_options": {"rule_id": 987}},
        "trigger_rule_gone",
        "rule 987, whose runs it waits for, was not found",
    ),
]


@pytest.mark.parametrize(("changes", "code", "words"), STARTS, ids=lambda value: str(value)[:30])
def test_a_rule_that_would_never_start(
    session: Session, calm: Account, changes: dict[str, Any], code: str, words: str
) -> None:
    (finding,) = found(session, calm, draft(**changes))
    assert finding.code == code
    assert words in finding.sentence


def test_a_rule_of_another_account_reads_as_not_found(session: Session, calm: Account) -> None:
    foreign = add(session, make_account(session), NOTIFY)
    (finding,) = found(session, calm, draft(trigger="run_finished", trigger_options={"rule_id": foreign.id}))
    assert "was not found" in finding.sentence


def test_deleted_references_are_reported(session: Session, calm: Account, sector: Sector) -> None:
    mine = make_cluster(session, sector)
    foreign = make_site(session, make_account(session))
    rule = draft(
        {"type": "generate_ideas", "params": {"cluster_ids": [mine.id, 9001, 9002]}},
        {"type": "pause_rule", "params": {"rule_id": 9003}},
        {"type": "pause_rule", "params": {"site": foreign.id}},
        set_status("ignored", assignee=9004),
        site=sector.site_id,
    )
    findings = found(session, calm, rule)
    assert {finding.level.value for finding in findings} == {"stop"}
    assert [(finding.sentence, finding.field) for finding in findings] == [
        ("Action 1: cluster 9001, 9002 were not found.", "actions[0].params"),
        ("Action 2: rule 9003 was not found.", "actions[1].params.rule_id"),
        (f"Action 3: site {foreign.id} was not found.", "actions[2].params.site"),
        ("Action 4: person 9004 was not found.", "actions[3].params.assignee"),
    ]


def test_texts_of_a_stored_rule_that_name_no_field(session: Session, calm: Account) -> None:
    named = {"type": "idea", "title": "{name}, {volume} in {site.name}"}
    good: Any = {"type": "create_record", "params": named}
    tell: Any = {"type": "notify", "params": {"message": "{volume} and {account.credits_available}"}}
    rule = draft(good, tell)
    assert found(session, calm, rule) == []
    good["params"]["title"], tell["params"]["message"] = "{titel}", "{run.rule}"
    rule.actions = stored_actions([good, tell])
    findings = found(session, calm, rule)
    assert [(finding.code, finding.level.value, finding.field) for finding in findings] == [
        ("text_names_no_field", "stop", "actions[0].params.title"),
        ("text_names_no_field", "stop", "actions[1].params.message"),
    ]
    assert findings[0].sentence.startswith(
        "This rule needs repair. Action 1: {titel} names no field of a keyword"
    )


def test_what_follows_a_run_may_name_it(session: Session, calm: Account) -> None:
    tell = {"type": "notify", "params": {"message": "{run.rule}: {run.reason}"}}
    assert found(session, calm, draft(tell, trigger="run_finished", record_type=None)) == []


def test_a_limit_below_the_price_of_one_record(session: Session, calm: Account) -> None:
    seven = {"type": "generate_ideas", "params": {"ideas_per_cluster": 7}}
    rule = draft(seven, trigger="cluster_created", credit_limit_per_execution=9)
    (finding,) = found(session, calm, rule)
    assert (finding.code, finding.level.value) == ("limit_below_price", "stop")
    assert finding.sentence == (
        "Even with one cluster a run costs 10 credits, and its limit is 9 credits: every run would be skipped."
    )
    assert found(session, calm, draft(seven, trigger="cluster_created", credit_limit_per_execution=10)) == []


def test_a_limit_below_the_shortest_article(session: Session, calm: Account, sector: Sector) -> None:
    make_task(session, sector, word_count=800)
    make_task(session, sector, word_count=100, status="done")
    rule = draft(WRITE, trigger="task_created", credit_limit_per_execution=5)
    assert found(session, calm, rule) == [], "a brief costs one credit"
    make_ai_connection(session, calm)
    (finding,) = found(session, calm, rule)
    assert (finding.code, finding.level.value) == ("limit_below_article", "warn")
    assert "of 800 words, costs 8 credits" in finding.sentence
    tasks = {"type": "create_tasks", "params": {"word_count": 600}}
    made = draft(tasks, WRITE, trigger="idea_created", credit_limit_per_execution=5)
    assert codes(found(session, calm, made)) == [("limit_below_article", "warn")]


def test_budgets_below_a_run(session: Session, calm: Account, sector: Sector) -> None:
    calm.daily_ceiling = 40
    rule = draft(IDEAS, trigger="cluster_created", monthly_budget=4, site=sector.site_id)
    assert codes(found(session, calm, rule)) == [("budget_below_price", "stop"), ("run_above_budget", "warn")]
    ceiling = found(session, calm, rule)[1]
    assert ceiling.sentence.startswith(
        "The account's daily ceiling is 40 credits a day; one run may cost 100"
    )


def test_the_first_paid_rule_without_a_ceiling(session: Session, account: Account) -> None:
    (finding,) = found(session, account, draft(CLUSTER))
    assert (finding.code, finding.level.value) == ("no_daily_ceiling", "hint")
    assert "would be 200 a day" in finding.advice
    add(session, account, CLUSTER, conditions=leaf("volume", "gt", 5))
    second = draft(CLUSTER, conditions=leaf("volume", "lt", 5))
    assert found(session, account, second) == []


def test_a_loop_names_its_rules_in_order(session: Session, calm: Account) -> None:
    retry = add(session, calm, set_status("queued"), name="Retry", **becomes("task", "failed"))
    (finding,) = found(session, calm, draft(WRITE, **becomes("task", "queued")))
    assert (finding.code, finding.level.value) == ("loop", "warn")
    assert finding.sentence == (
        "These 2 rules would start one another without end: “Draft” → “Retry” → “Draft”."
    )
    steps = [(edge.target.rule_id, edge.what) for edge in finding.loop]
    assert steps == [(retry.id, "tasks become “Failed”"), (None, "tasks become “Queued”")]


def test_two_rules_on_the_same_records(session: Session, calm: Account, sector: Sector) -> None:
    big, handled = leaf("volume", "gte", 500), {"operator": "not_handled_within", "value": "7d"}
    add(session, calm, CLUSTER, name="Big", conditions={"all": [big, handled]})
    add(session, calm, CLUSTER, name="Small", conditions=leaf("volume", "lt", 500))
    add(session, calm, NOTIFY, name="Tell")
    add(session, calm, CLUSTER, name="There", site=make_site(session, calm).id)
    mine = {"all": [leaf("volume", "gte", 600), leaf("handled_at", "newer_than", "5d")]}
    (finding,) = found(session, calm, draft(CLUSTER, conditions=mine, site=sector.site_id))
    assert (finding.code, finding.level.value) == ("same_records", "hint")
    assert finding.sentence == (
        "“Big” can take the same keywords and does the same: group keywords into clusters."
    )


def test_a_rule_that_no_longer_reads_needs_repair(session: Session, calm: Account) -> None:
    rule = add(session, calm, NOTIFY)
    rule.conditions = {"field": "gone", "operator": "eq", "value": 1}
    (finding,) = found(session, calm, definition_from(definition_of(rule)), rule.id)
    assert (finding.code, finding.level.value) == ("rule_invalid", "stop")


def test_an_unreadable_neighbour_rule_does_not_break_the_check(session: Session, calm: Account) -> None:
    other = add(session, calm, CLUSTER)
    other.conditions = {"field": "gone", "operator": "eq", "value": 1}
    session.flush()
    assert found(session, calm, draft(CLUSTER)) == []


def saved_off(session: Session, account: Account) -> AutomationRule:
    return add(session, account, NOTIFY, conditions=leaf("volume", "lt", 0), is_active=False)


def test_a_rule_that_could_never_work_is_not_switched_on(
    session: Session, calm: Account, now: datetime
) -> None:
    service, rule = AutomationService(), saved_off(session, calm)
    with pytest.raises(Blocked) as refusal:
        service.enable(session, rule, Actor(None), now, backfill=False)
    assert "Condition 1 can never hold: volume is below 0." in refusal.value.errors["conditions"][0]
    with pytest.raises(Blocked):
        service.update_rule(session, rule, definition_of(rule) | {"is_active": True}, Actor(None), now)
    assert not rule.is_active
    service.update_rule(session, rule, definition_of(rule) | {"name": "Later"}, Actor(None), now)
    assert rule.name == "Later"


def test_a_rule_with_warnings_only_is_switched_on(session: Session, calm: Account, now: datetime) -> None:
    rule = add(session, calm, WRITE, trigger="content_generated", is_active=False)
    AutomationService().enable(session, rule, Actor(None), now, backfill=False)
    assert rule.is_active
