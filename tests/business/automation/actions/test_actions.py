"""Each action: its conditions, the records it works on, and those it leaves out."""

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Status
from app.business.automation.unit_models import ActionRun
from app.business.errors import Invalid
from app.business.planner.models import Idea, Keyword, Sector
from app.business.writer.models import Content, Task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords, run_once
from tests.factories import make_cluster, make_content, make_idea, make_keyword, make_task, make_user

LABEL = {"type": "update_records", "params": {"labels_add": ["done"]}}


def test_records_are_updated_in_every_part(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    person = make_user(session, account)
    task = make_task(session, sector, labels=["old", "keep"])
    params = {
        "labels_add": ["new"],
        "labels_remove": ["old"],
        "assignee": person.id,
        "note": "Look at this",
        "due_in_days": 3,
        "status": "queued",
    }
    run = run_once(machine, account, {"type": "update_records", "params": params}, record_type="task")
    assert run.status == Status.COMPLETED
    session.refresh(task)
    assert (task.labels, task.note, task.assignee_id) == (["keep", "new"], "Look at this", person.id)
    assert (task.due_on, task.status) == (date(2026, 11, 27), "queued")


def test_a_status_that_is_not_reachable_leaves_the_record_out(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    idea = make_idea(session, sector, status="rejected")
    accept = {"type": "update_records", "params": {"status": "accepted"}}
    run = run_once(machine, account, accept, record_type="idea")
    session.refresh(idea)
    assert (idea.status, run.status, run.result["left_out"]) == ("rejected", Status.COMPLETED, 1)


def test_a_record_is_created_from_each_record(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector, text="trail shoes")
    create = {
        "type": "create_record",
        "params": {"type": "task", "title": "Report on {text}", "due_in_days": 7},
    }
    run = run_once(machine, account, create, record_type="keyword")
    task = session.scalars(select(Task)).one()
    assert (task.title, task.due_on, task.made_by_run_id) == (
        "Report on trail shoes",
        date(2026, 12, 1),
        run.id,
    )


@pytest.mark.parametrize("source", ["keyword", "cluster", "idea", "task", "content"])
@pytest.mark.parametrize("inherit", [True, False])
def test_a_created_record_inherits_cluster_idea_and_main_keyword(
    machine: Machine, session: Session, account: Account, sector: Sector, source: str, inherit: bool
) -> None:
    cluster = make_cluster(session, sector, name="shoes", main_keyword="trail shoes")
    make_keyword(session, sector, text="trail shoes", cluster_id=cluster.id, status="clustered")
    idea = make_idea(session, sector, cluster_id=cluster.id, main_keyword="trail shoes")
    task = make_task(session, sector, idea_id=idea.id, main_keyword="trail shoes")
    make_content(session, sector, task_id=task.id, main_keyword="trail shoes")
    known = {"idea": {idea.id}, "task": {task.id}}
    create = [
        {"type": "create_record", "params": {"type": made, "title": "New", "inherit": inherit}}
        for made in ("idea", "task")
    ]
    run_once(machine, account, *create, record_type=source)
    new_idea = session.scalars(select(Idea).where(Idea.id.not_in(known["idea"]))).one()
    new_task = session.scalars(select(Task).where(Task.id.not_in(known["task"]))).one()
    of_idea = idea.id if source in ("idea", "task", "content") else None
    assert (new_idea.cluster_id, new_idea.main_keyword) == (
        (cluster.id, "trail shoes") if inherit else (None, "")
    )
    assert (new_task.idea_id, new_task.main_keyword) == ((of_idea, "trail shoes") if inherit else (None, ""))
    assert {new_idea.sector_id, new_task.sector_id} == {sector.id}


@pytest.mark.parametrize(("params", "main_keyword"), [({}, "trail shoes"), ({"inherit": False}, "")])
def test_a_task_takes_the_main_keyword_of_its_idea(
    machine: Machine, session: Session, account: Account, sector: Sector, params: dict[str, bool], main_keyword: str
) -> None:  # fmt: skip
    idea = make_idea(session, sector, main_keyword="trail shoes")
    run_once(machine, account, {"type": "create_tasks", "params": params}, record_type="idea")
    task = session.scalars(select(Task)).one()
    assert (task.idea_id, task.title, task.main_keyword) == (idea.id, idea.title, main_keyword)


def test_a_notice_reaches_its_role(machine: Machine, session: Session, account: Account) -> None:
    notify = {"type": "notify", "params": {"message": "Credits are low", "to": "owner"}}
    run = run_once(machine, account, notify, record_type=None)
    notice = session.scalars(select(Notice)).one()
    assert (notice.body, notice.role, notice.run_id) == ("Credits are low", Role.OWNER, run.id)


def test_rules_with_an_action_are_switched_off_and_on(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    paid = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    free = machine.make_rule(account, actions=[LABEL])
    for verb, expected in (("pause_rule", False), ("resume_rule", True)):
        run_once(machine, account, {"type": verb, "params": {"action": "generate_ideas"}}, record_type=None)
        states = session.scalars(
            select(AutomationRule.is_active)
            .where(AutomationRule.id.in_([paid.id, free.id]))
            .order_by(AutomationRule.id)
        ).all()
        assert states == [expected, True]


def test_an_action_works_on_the_parents_of_the_records(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster_id,) = clusters_with_keywords(session, sector, 1)
    make_keyword(session, sector, cluster_id=cluster_id, status="clustered")
    run = run_once(machine, account, IDEAS, record_type="keyword")
    assert {idea.cluster_id for idea in session.scalars(select(Idea))} == {cluster_id}
    assert run.credits_used == 5


def test_an_actions_own_condition_chooses_among_the_records(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    big, small = make_keyword(session, sector, volume=900), make_keyword(session, sector, volume=10)
    when = {"field": "volume", "operator": "gte", "value": 500}
    run_once(machine, account, LABEL | {"when": when}, record_type="keyword")
    assert [session.get_one(Keyword, key.id).labels for key in (big, small)] == [["done"], []]


@pytest.mark.parametrize(("on_error", "labels"), [("stop", []), ("continue", ["done"])])
def test_after_a_failed_step_the_rule_stops_or_goes_on(
    machine: Machine, session: Session, account: Account, sector: Sector, on_error: str, labels: list[str]
) -> None:
    (cluster_id,) = clusters_with_keywords(session, sector, 1)
    machine.model = FailingModel("refused")
    run = run_once(machine, account, IDEAS | {"on_error": on_error}, LABEL, record_type="cluster")
    cluster = session.get_one(type(make_cluster(session, sector)), cluster_id)
    session.refresh(cluster)
    assert (run.status, cluster.labels) == (Status.FAILED, labels)


def test_one_rule_goes_from_cluster_to_content(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    tasks = {"type": "create_tasks", "params": {"word_count": 200}}
    run = run_once(machine, account, IDEAS, tasks, {"type": "generate_content"})
    assert run.result["made"] == {"idea": 3, "task": 3, "content": 3}
    articles = session.scalars(select(Content)).all()
    assert {article.made_by_run_id for article in articles} == {run.id}
    assert run.credits_used == 5 + len(articles)
    assert machine.breaches() == []


def test_a_task_that_could_not_be_written_is_failed_and_can_be_written_again(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    task = make_task(session, sector, status="queued")
    machine.model = FailingModel("refused", times=1)
    write = {"type": "generate_content"}
    assert run_once(machine, account, write).status == Status.FAILED
    session.refresh(task)
    assert (task.status, task.writing_run_id) == ("failed", None)
    assert run_once(machine, account, write).status == Status.COMPLETED
    session.refresh(task)
    assert task.status == "done"


def test_an_action_without_records_to_work_on_is_refused(machine: Machine, account: Account) -> None:
    with pytest.raises(Invalid, match="Action 1 needs task records"):
        machine.make_rule(account, trigger="cluster_created", actions=[{"type": "generate_content"}])


def test_ideas_that_would_compete_are_named_by_the_unit_and_counted_by_the_run(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 2)
    make_content(session, sector, title="Cleaning shoes", main_keyword="how to wash running shoes 0")
    make_content(session, sector, title="The shoes", main_keyword="Running shoe 1")
    make_idea(session, sector, title="Running shoes 1 vs boots")
    run = run_once(machine, account, IDEAS, record_type="cluster")
    assert (run.result["made"], run.result["near_doubles"], run.credits_used) == ({"idea": 3}, 3, 10)
    assert run.result["summary"] == (
        "Made 3 ideas. 3 more ideas were not made, because they would compete with other pages."
    )
    query = select(ActionRun.message).where(ActionRun.run_id == run.id).order_by(ActionRun.record_id)
    first, second = session.scalars(query)
    assert first.endswith(
        "; not made: “How to wash running shoes 0: a step-by-step guide” would compete with “Cleaning shoes”"
    )
    assert (
        "“Running shoes 1: the complete guide” would compete with “The shoes”, “Running shoes 1 vs" in second
    )


def test_a_cluster_whose_page_is_there_gets_no_idea_and_costs_nothing(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    cluster = make_cluster(session, sector, main_keyword="running shoes")
    make_content(session, sector, title="Shoes for running", main_keyword="running shoes")
    run = run_once(machine, account, IDEAS, record_type="cluster")
    assert (run.status, run.result["made"], run.credits_used) == (Status.COMPLETED, {}, 0)
    assert run.result["summary"] == "1 idea was not made, because it would compete with another page."
    session.refresh(cluster)
    assert cluster.status == "new"
