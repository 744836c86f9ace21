"""Why (not)? What happened between a rule and a record, and what would have changed it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering.planning import plan
from app.business.automation.services.why.explanation import Why, why, why_each
from app.business.events import Origin
from app.business.planner.models import Keyword, Sector, Site
from app.business.planner.services import keyword_service
from app.business.planner.services.record_changes import IDEA, set_status
from tests.business.automation.machine import Machine
from tests.factories import make_cluster, make_idea, make_keyword, make_sector, make_site

pytestmark = pytest.mark.both_databases

BIG = {"all": [{"field": "volume", "operator": "gte", "value": 500}]}
LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
DAILY = {"trigger": "schedule", "schedule": {"cron": "0 6 * * *"}, "record_type": "keyword", "repeat": "once"}


def add_keyword(machine: Machine, sector: Sector, **values: Any) -> Keyword:
    """A keyword as a person adds it: its event goes to the rules."""
    fields = {"text": "iron pan", "volume": 320} | values
    origin = Origin(sector.account_id)
    keyword = keyword_service.add_keyword(machine.session, sector, fields, origin=origin, now=machine.now)
    machine.settle()
    machine.pass_time(minutes=5)
    return keyword


def ask(machine: Machine, rule: AutomationRule, record: Any, **more: Any) -> Why:
    return why(machine.session, rule, record, machine.now, **more)


def stops(answer: Why) -> dict[str, str]:
    return {check["gate"]: check["message"] for check in answer.checks if check["result"] == "stop"}


def edit(machine: Machine, rule: AutomationRule, **changes: Any) -> None:
    AutomationService().update_rule(
        machine.session, rule, definition_of(rule) | changes, Actor(None), machine.now
    )
    machine.session.commit()
    machine.pass_time(minutes=5)


def test_a_record_that_was_taken_names_its_run(machine: Machine, account: Account, sector: Sector) -> None:
    rule = machine.make_rule(account, actions=[LABEL], conditions=BIG)
    answer = ask(machine, rule, add_keyword(machine, sector, volume=900))
    assert (answer.verdict, answer.headline) == ("taken", "Taken. 1 keyword updated.")
    assert answer.moments[0].run
    assert answer.moments[0].version == 1


def test_a_record_that_did_not_match_is_explained_by_past_values(
    machine: Machine, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, actions=[LABEL], conditions=BIG)
    keyword = add_keyword(machine, sector)
    keyword.volume, keyword.updated_at = 900, machine.now
    answer = ask(machine, rule, keyword)
    assert (answer.verdict, answer.headline) == ("not_taken", "It did not match the conditions when it came.")
    assert answer.then
    assert answer.now
    assert (answer.then.source, answer.then.is_met) == ("run", False)
    assert answer.then.advice == "It would match if volume were at least 500 (it is 320)."
    assert answer.now.is_met


def test_without_a_sample_of_the_run_the_event_explains(
    machine: Machine, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, actions=[LABEL], conditions=BIG)
    keyword = add_keyword(machine, sector)
    run = ask(machine, rule, keyword).moments[0].run
    assert run
    run.detail.trace = None
    keyword.volume, keyword.updated_at = 900, machine.now
    then = ask(machine, rule, keyword).then
    assert then
    assert (then.source, then.advice, then.as_now) == (
        "event",
        "It would match if volume were at least 500 (it is 320).",
        [],
    )


def test_values_from_other_rows_are_marked_as_present_values(
    machine: Machine, account: Account, sector: Sector
) -> None:
    conditions = {"all": [*BIG["all"], {"field": "site.language", "operator": "eq", "value": "de"}]}
    rule = machine.make_rule(account, actions=[LABEL], conditions=conditions)
    keyword = add_keyword(machine, sector)
    run = ask(machine, rule, keyword).moments[0].run
    assert run
    run.detail.trace = None
    then = ask(machine, rule, keyword).then
    assert then
    assert (then.source, then.as_now) == ("unchanged", ["site.language"])


def test_the_version_of_that_time_decides_not_the_present_one(
    machine: Machine, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, actions=[LABEL], conditions=BIG)
    keyword = add_keyword(machine, sector)
    edit(machine, rule, conditions={"all": [{"field": "volume", "operator": "gte", "value": 100}]})
    answer = ask(machine, rule, keyword)
    assert answer.then
    assert (answer.then.version, answer.then.is_met) == (1, False)
    assert answer.now
    assert (answer.now.version, answer.now.is_met) == (2, True)


def test_a_rule_that_was_off_at_that_time_says_so(machine: Machine, account: Account, sector: Sector) -> None:
    rule = machine.make_rule(account, actions=[LABEL], is_active=False)
    keyword = add_keyword(machine, sector)
    AutomationService().enable(machine.session, rule, Actor(None), machine.now, backfill=False)
    machine.session.commit()
    answer = ask(machine, rule, keyword)
    assert answer.headline == "The rule was switched off then (version 1)."
    assert stops(answer) == {}


def test_a_rule_that_came_later_says_so(machine: Machine, account: Account, sector: Sector) -> None:
    keyword = add_keyword(machine, sector)
    rule = machine.make_rule(account, actions=[LABEL])
    assert ask(machine, rule, keyword).headline == "The rule did not exist yet."


def test_a_rule_that_was_started_otherwise_says_so(
    machine: Machine, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, actions=[LABEL], **DAILY)
    keyword = add_keyword(machine, sector)
    edit(machine, rule, trigger="keyword_added", schedule={})
    assert "Version 1 of the rule was started otherwise" in ask(machine, rule, keyword).headline


def test_another_place_and_another_status_are_named(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    other = make_sector(session, make_site(session, account))
    rule = machine.make_rule(account, actions=[LABEL], site=other.site_id)
    answer = ask(machine, rule, add_keyword(machine, sector))
    assert "another place" in answer.headline
    assert list(stops(answer)) == ["place"]
    options = {"record_type": "idea", "to": "accepted"}
    on_idea = machine.make_rule(account, trigger="status_changed", trigger_options=options, actions=[LABEL])
    idea = make_idea(session, sector)
    set_status(session, IDEA, [idea.id], "rejected", Origin(account.id), machine.now)
    machine.settle()
    assert (
        ask(machine, on_idea, idea).headline == "Its status became “Rejected”; the rule waits for “Accepted”."
    )


def test_a_schedule_rule_that_took_others_says_how_many_matched(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, **DAILY | {"record_limit": 1}, actions=[LABEL])
    first, second = (make_keyword(session, sector) for _ in range(2))
    machine.pass_time(days=1)
    run_as_planned(machine)
    assert ask(machine, rule, first).verdict == "taken"
    answer = ask(machine, rule, second)
    assert answer.headline == "The run took 1 keyword of the 2 that matched, the oldest first."
    machine.pass_time(days=1)
    run_as_planned(machine)
    again = ask(machine, rule, first)
    assert again.moments[0].passed_by
    assert again.leading == again.moments[1]
    assert (again.verdict, again.headline) == ("taken", "Taken. 1 keyword updated."), (
        "others since are no news"
    )
    handled = stops(again)["taken"]
    assert handled.startswith("The rule takes each record once, and took it in run ")


def test_a_record_that_a_run_did_not_find_is_explained_by_what_excludes_it(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, **DAILY, actions=[LABEL], conditions=BIG)
    small = make_keyword(session, sector, volume=20)
    for volume in (None, 900):
        if volume:
            make_keyword(session, sector, volume=volume)
        machine.pass_time(days=1)
        run_as_planned(machine)
    answer = ask(machine, rule, small)
    assert answer.headline == "It does not match the conditions now."
    (line,) = answer.moments
    assert (line.sentence, line.count) == ("Runs chose other records, or none.", 2)


def test_what_the_limit_leaves_over_goes_to_a_follow_up(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ideas = [{"type": "generate_ideas", "params": {"ideas_per_cluster": 5}}]
    rule = machine.make_rule(account, trigger="cluster_created", actions=ideas, credit_limit_per_execution=5)
    first, second, third = (make_cluster(session, sector) for _ in range(3))
    machine.run_now(rule, record_ids=[first.id, second.id])
    lines = ask(machine, rule, second).moments
    assert [line.kind for line in lines] == ["taken", "not_taken"]
    assert lines[1].sentence.endswith("A follow-up run takes it.")
    assert ask(machine, rule, third).moments == []


def run_as_planned(machine: Machine) -> None:
    plan(machine.transaction, machine.now)
    machine.settle()


def test_what_was_set_aside_and_what_is_finished_are_named(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    group = [{"type": "cluster_keywords", "params": {}}]
    rule = machine.make_rule(account, **DAILY, actions=group)
    keyword = make_keyword(session, sector, status="clustered")
    row = {"rule_id": rule.id, "record_type": "keyword", "record_id": keyword.id, "run_id": 7}
    session.add(RuleRecord(account_id=account.id, state="set_aside", updated_at=machine.now, **row))
    session.flush()
    found = stops(ask(machine, rule, keyword))
    assert found["state"].startswith("It is not new any more")
    assert found["taken"].startswith("Set aside after three failed runs")


def test_a_keyword_that_rests_is_said_to_rest_and_not_to_be_old(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, **DAILY, actions=[{"type": "cluster_keywords", "params": {}}])
    keyword = make_keyword(session, sector, cluster_tried_at=machine.now - timedelta(days=2))
    session.flush()
    assert stops(ask(machine, rule, keyword))["state"].startswith("It fitted no cluster")


def test_a_pause_excludes_it(machine: Machine, session: Session, account: Account, sector: Sector) -> None:
    rule = machine.make_rule(account, **DAILY, actions=[LABEL])
    keyword = make_keyword(session, sector)
    session.get_one(Site, sector.site_id).status = "paused"
    assert "is paused" in stops(ask(machine, rule, keyword))["account"]


def test_neighbouring_rows_with_the_same_reason_are_counted(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    rule = machine.make_rule(account, **DAILY | {"record_limit": 1, "repeat": "always"}, actions=[LABEL])
    second = make_keyword(session, sector)
    for _ in range(3):
        machine.pass_time(days=1)
        run_as_planned(machine)
    (line,) = ask(machine, rule, second).moments
    assert line.count == 3
    assert line.first_at
    assert line.first_at < line.at


def test_a_past_moment_ignores_what_came_later(machine: Machine, account: Account, sector: Sector) -> None:
    rule = machine.make_rule(account, actions=[LABEL], conditions=BIG)
    keyword = add_keyword(machine, sector)
    between = machine.now
    machine.pass_time(hours=1)
    keyword.volume, keyword.updated_at = 900, machine.now
    edit(machine, rule, conditions={})
    machine.run_now(rule, record_ids=[keyword.id])
    assert ask(machine, rule, keyword).verdict == "taken"
    past = ask(machine, rule, keyword, at=between)
    assert past.verdict == "not_taken"
    assert past.then
    assert (past.then.version, past.then.advice) == (
        1,
        "It would match if volume were at least 500 (it is 320).",
    )


def test_all_rules_that_could_have_taken_it_come_newest_first(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    silent = machine.make_rule(account, **DAILY, actions=[LABEL], name="Silent")
    took = machine.make_rule(account, actions=[LABEL], name="Took")
    machine.make_rule(account, trigger="idea_created", actions=[LABEL], name="Of ideas")
    keyword = add_keyword(machine, sector)
    answers = why_each(session, Scope(keyword.account_id), keyword, "keyword", machine.now)
    assert [answer.rule.id for answer in answers] == [took.id, silent.id]
    assert answers[1].verdict == "would"


def test_unreadable_conditions_need_repair(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, actions=[LABEL])
    keyword = add_keyword(machine, sector)
    rule.conditions = {"field": "gone", "operator": "eq", "value": 1}
    answer = ask(machine, rule, keyword)
    assert answer.now is None
    assert "no longer read" in stops(answer)["conditions"]
    assert session.scalar(select(Keyword.id)) == keyword.id
