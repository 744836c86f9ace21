"""Which rules start which, and the loops among them: self, pair, ring of ten, and those that conditions exclude."""

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.catalogue.actions.base import Params
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.preflight.rule_graph import rule_graph, started_by
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.versions import definition_of
from app.business.planner.models import Sector
from tests.business.automation.preflight.pipeline_rules import (
    CLUSTER,
    IDEAS,
    NOTIFY,
    TASKS,
    WRITE,
    add,
    becomes,
    leaf,
    set_status,
)
from tests.factories import NOW, make_account, make_sector, make_site


def said(rule: AutomationRule) -> RuleDefinition:
    return definition_from(definition_of(rule))


def names_started(session: Session, rule: AutomationRule) -> list[tuple[str, int]]:
    found = started_by(session, rule.account_id, said(rule), rule.id)
    return [(started.name, started.depth) for started in found]


def loops(session: Session, rule: AutomationRule) -> list[list[str]]:
    graph = rule_graph(session, rule.account_id, said(rule), rule.id)
    return [[edge.source.name for edge in loop] for loop in graph.loops()]


def test_the_pipeline_is_started_rule_by_rule(session: Session, account: Account) -> None:
    first = add(session, account, CLUSTER, name="Group")
    add(session, account, IDEAS, name="Ideas", trigger="cluster_created")
    add(session, account, TASKS, name="Tasks", trigger="idea_created")
    add(session, account, WRITE, name="Write", trigger="task_created")
    add(session, account, NOTIFY, name="Tell", trigger="content_generated")
    add(session, account, NOTIFY, name="New words", trigger="keyword_added")
    assert names_started(session, first) == [("Ideas", 1), ("Tasks", 2), ("Write", 3), ("Tell", 4)]
    assert loops(session, first) == []


def test_each_arrow_says_what_happens(session: Session, account: Account) -> None:
    first = add(session, account, CLUSTER)
    add(session, account, NOTIFY, name="Clusters", trigger="cluster_created")
    add(session, account, NOTIFY, name="Words", **becomes("keyword"))
    add(session, account, NOTIFY, name="Ends", trigger="run_finished")
    found = started_by(session, account.id, said(first), first.id)
    assert [(one.name, one.path[-1].what) for one in found] == [
        ("Clusters", "it makes clusters"),
        ("Words", "keywords become “Clustered”"),
        ("Ends", "its run ends"),
    ]


def test_only_rules_that_are_on_and_work_are_started(session: Session, account: Account) -> None:
    first = add(session, account, CLUSTER)
    add(session, account, NOTIFY, trigger="cluster_created", is_active=False)
    add(session, account, NOTIFY, trigger="cluster_created", mode="shadow")
    add(session, make_account(session), NOTIFY, trigger="cluster_created")
    archived = add(session, account, NOTIFY, trigger="cluster_created")
    AutomationService().archive(session, archived, Actor(None), NOW)
    assert names_started(session, first) == []


def test_events_in_another_place_start_no_rule(session: Session, account: Account, sector: Sector) -> None:
    other = make_sector(session, make_site(session, account))
    first = add(session, account, CLUSTER, site=sector.site_id, sector=sector.id)
    add(session, account, NOTIFY, name="There", trigger="cluster_created", site=other.site_id)
    add(session, account, NOTIFY, name="Here", trigger="cluster_created", site=sector.site_id)
    add(session, account, NOTIFY, name="Everywhere", trigger="cluster_created")
    assert [name for name, _ in names_started(session, first)] == ["Here", "Everywhere"]


@pytest.mark.parametrize(
    ("conditions", "starts"),
    [
        ({}, True),
        (leaf("status", "eq", "queued"), True),
        (leaf("status", "eq", "done"), False),
        (leaf("word_count", "gt", 1500), False),
        (leaf("word_count", "eq", 800), True),
        ({"any": [leaf("task_type", "eq", "link"), leaf("word_count", "lt", 700)]}, False),
        ({"not": leaf("status", "in", ["queued", "draft"])}, False),
        (leaf("title", "contains", "shoes"), True),
    ],
    ids=str,
)
def test_conditions_are_checked_against_what_is_created(
    session: Session, account: Account, conditions: dict[str, Any], starts: bool
) -> None:
    make = {"type": "create_tasks", "params": {"word_count": 800}}
    first = add(session, account, make, trigger="idea_created")
    add(session, account, NOTIFY, name="Hears", trigger="task_created", conditions=conditions)
    assert bool(names_started(session, first)) is starts


def test_a_later_step_changes_what_is_certain(session: Session, account: Account) -> None:
    first = add(session, account, CLUSTER, IDEAS)
    planned = leaf("status", "eq", "planned")
    add(session, account, NOTIFY, name="Hears", trigger="cluster_created", conditions=planned)
    assert names_started(session, first) == [("Hears", 1)]


def test_a_rule_that_starts_itself_is_a_loop(session: Session, account: Account) -> None:
    rule = add(session, account, WRITE, name="Again", trigger="content_generated")
    assert loops(session, rule) == [["Again"]]


def test_conditions_that_still_hold_do_not_break_a_loop(session: Session, account: Account) -> None:
    short = leaf("word_count", "lt", 900)
    rule = add(session, account, WRITE, name="Short", trigger="content_generated", conditions=short)
    assert loops(session, rule) == [["Short"]]


def test_a_pair_is_a_loop_for_both_rules(session: Session, account: Account) -> None:
    write = add(session, account, WRITE, name="Write", **becomes("task", "queued"))
    again = add(session, account, set_status("queued"), name="Retry", **becomes("task", "failed"))
    assert loops(session, write) == [["Write", "Retry"]]
    assert loops(session, again) == [["Retry", "Write"]]


def test_a_ring_of_ten_is_found(session: Session, account: Account) -> None:
    rules = [add(session, account, NOTIFY, name="Rule 0", trigger="run_finished")]
    for number in range(1, 10):
        options = {"rule_id": rules[-1].id}
        rules.append(
            add(
                session,
                account,
                NOTIFY,
                name=f"Rule {number}",
                trigger="run_finished",
                trigger_options=options,
            )
        )
    rules[0].trigger_options = {"rule_id": rules[-1].id}
    session.flush()
    assert loops(session, rules[0]) == [[f"Rule {number}" for number in range(10)]]
    assert len(names_started(session, rules[0])) == 5


EXCLUDED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another status": (set_status("rejected"), becomes("idea", "accepted")),
    "the status it sets": (
        set_status("ignored"),
        becomes("keyword") | {"conditions": leaf("status", "ne", "ignored")},
    ),
    "the label it adds": (
        set_status("queued", labels_add=["seen"]),
        becomes("task") | {"conditions": leaf("labels", "not_contains", "seen")},
    ),
    "the label it takes away": (
        set_status("queued", labels_remove=["todo"]),
        becomes("task") | {"conditions": leaf("labels", "contains", "todo")},
    ),
    "states it never takes": (
        set_status("queued"),
        becomes("task") | {"conditions": leaf("status", "eq", "done")},
    ),
}


@pytest.mark.parametrize("why", EXCLUDED)
def test_a_loop_that_conditions_exclude_is_not_reported(session: Session, account: Account, why: str) -> None:
    action, when = EXCLUDED[why]
    rule = add(session, account, action, **when)
    assert loops(session, rule) == []
    rule.conditions = {}
    rule.trigger_options = {"record_type": rule.record_type}
    assert loops(session, rule) == [["A rule"]]


def test_a_rule_that_finds_its_work_done_starts_nothing(session: Session, account: Account) -> None:
    """Both set tasks to queued; when a queued task triggers them, neither has anything to change."""
    one = add(session, account, set_status("queued"), name="One", **becomes("task", "queued"))
    add(session, account, set_status("queued"), name="Other", **becomes("task"))
    add(session, account, NOTIFY, name="Tell", **becomes("task", "queued"))
    assert [name for name, _ in names_started(session, one)] == ["Other", "Tell"]
    assert loops(session, one) == [["One"]]


def test_a_loop_is_found_beside_rules_that_lead_nowhere(session: Session, account: Account) -> None:
    write = add(session, account, WRITE, name="Write", **becomes("task", "queued"))
    add(session, account, NOTIFY, name="Tell", **becomes("task", "failed"))
    add(session, account, set_status("queued"), name="Retry", **becomes("task", "failed"))
    assert loops(session, write) == [["Write", "Retry"]]


def test_what_no_action_changes_still_holds(session: Session, account: Account) -> None:
    few, many = leaf("volume", "lt", 100), leaf("volume", "gte", 500)
    rule = add(session, account, set_status("ignored"), conditions=few)
    add(session, account, NOTIFY, name="Big", conditions=many, **becomes("keyword"))
    add(session, account, NOTIFY, name="Small", conditions=leaf("volume", "lt", 50), **becomes("keyword"))
    assert [name for name, _ in names_started(session, rule)] == ["Small"]


GIVEN: list[dict[str, Any]] = [
    {}, {"status": "queued"}, {"status": "publish"}, {"type": "idea", "title": "T"}, {"type": "task", "title": "T"}
]  # fmt: skip


def fits(model: type[Params], params: dict[str, Any]) -> bool:
    try:
        model.model_validate(params)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("type", [key for key, entry in CATALOGUE.items() if entry.events])
def test_effects_and_catalogue_name_the_same_events(type: str) -> None:
    entry = CATALOGUE[type]
    given = [params for params in GIVEN if fits(entry.params, params)]
    made = [
        entry.effects(entry.params.model_validate(params), record_type)
        for params in given
        if params or not entry.kind_from
        for record_type in entry.takes
    ]
    told = {creates.event.value for effects in made for creates in effects.creates}
    assert told | ({"status_changed"} if any(effects.changes for effects in made) else set()) == set(
        entry.events
    )
