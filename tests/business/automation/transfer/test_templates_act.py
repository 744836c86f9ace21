"""Every template on a small world: it takes what its sentence and its note say, and leaves all else alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, RunDetail
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.transfer.templates import TEMPLATES, template
from app.business.events import EventType, Origin
from app.business.planner.models import Cluster, Idea, Sector, Site
from app.business.planner.services.idea_service import update_idea
from app.business.planner.services.record_changes import CLUSTER, KEYWORD, report
from app.business.writer.models import Content, Task
from app.business.writer.services.record_kinds import CONTENT
from app.business.writer.services.task_service import update_task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import clusters_with_keywords
from tests.factories import (
    NOW,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)

LONG_AGO = NOW - timedelta(days=200)
TODAY = NOW.date()


@dataclass
class World:
    """One template switched on, and the records it finds and changes."""

    machine: Machine
    session: Session
    account: Account
    sector: Sector
    rule: AutomationRule = field(init=False)

    def use(self, key: str, **changes: Any) -> None:
        values = template(key).definition("UTC").model_dump(mode="json") | {"is_active": True, "mode": "live"}
        self.rule = self.machine.make_rule(self.account, **values | changes)

    def planned(self) -> None:
        """At its next planned time, on each site where it is split by sites."""
        self.machine.pass_time(minutes=1)
        for site_id in [site.id for site in self.all(Site)] if self.rule.split_by == "site" else [0]:
            opening = Opening(
                Cause.SCHEDULE, self.machine.now, site_id=site_id or None, split_site_id=site_id
            )
            open_run(self.session, self.rule, opening)
        self.machine.settle()

    def happens(self, event: EventType, kind: Any, records: Iterable[Any]) -> None:
        report(self.session, event, kind, records, Origin(self.account.id), NOW)
        self.machine.settle()
        self.session.expire_all()  # Runs write records by statements.

    def taken(self) -> set[int]:
        """Records of all its runs."""
        query = select(RunDetail.records).where(RunDetail.run_id.in_(self._run_ids()))
        return {record_id for records in self.session.scalars(query) for record_id in records or []}

    def _run_ids(self) -> list[int]:
        runs = self.machine.runs()
        return [
            run.id for run in runs if run.automation_rule_id == self.rule.id and run.status == "completed"
        ]

    def notices(self) -> list[tuple[str, Role | None]]:
        query = select(Notice.body, Notice.role).where(Notice.rule_id == self.rule.id, Notice.level == "info")
        return [(body, role) for body, role in self.session.execute(query.order_by(Notice.id))]

    def all(self, model: Any) -> list[Any]:
        return list(self.session.scalars(select(model).order_by(model.id)))


@pytest.fixture
def world(machine: Machine, session: Session, account: Account, sector: Sector) -> World:
    return World(machine, session, account, sector)


def first_draft(world: World) -> None:
    world.use("first-draft")
    new = [make_keyword(world.session, world.sector, text=f"trail running shoes {n}") for n in range(3)]
    world.happens(EventType.KEYWORD_ADDED, KEYWORD, new)
    assert [len(world.all(model)) for model in (Cluster, Idea, Task, Content)] == [1, 1, 1, 1]
    assert world.all(Task)[0].word_count == 800
    further = [make_keyword(world.session, world.sector, text=f"espresso machine {n}") for n in range(2)]
    world.happens(EventType.KEYWORD_ADDED, KEYWORD, further)
    assert len(world.all(Content)) == 1, "one run a day"


def group_every_night(world: World) -> None:
    new = [make_keyword(world.session, world.sector, text=f"trail running shoes {n}") for n in range(3)]
    old = make_keyword(world.session, world.sector, text="trail running shoes", status="ignored")
    world.use("group-every-night")
    world.planned()
    assert world.taken() == {keyword.id for keyword in new}
    assert [keyword.status for keyword in (*new, old)] == ["clustered"] * 3 + ["ignored"]


def group_at_once(world: World) -> None:
    world.use("group-at-once")
    new = [make_keyword(world.session, world.sector, text=f"trail running shoes {n}") for n in range(3)]
    pair = [make_keyword(world.session, world.sector, text=f"espresso machine {n}") for n in range(2)]
    world.happens(EventType.KEYWORD_ADDED, KEYWORD, [*new, *pair])
    assert [keyword.status for keyword in new] == ["clustered"] * 3
    assert [keyword.status for keyword in pair] == ["new"] * 2, "at least 3 in each"


def mark_buyers(world: World) -> None:
    world.use("mark-buyers")
    intents = ("commercial", "transactional", "informational", None)
    new = [make_keyword(world.session, world.sector, intent=intent) for intent in intents]
    world.happens(EventType.KEYWORD_ADDED, KEYWORD, new)
    assert [keyword.labels for keyword in new] == [["buying"], ["buying"], [], []]


def leave_out_small(world: World) -> None:
    world.use("leave-out-small")
    new = [make_keyword(world.session, world.sector, volume=volume) for volume in (9, 10, None)]
    world.happens(EventType.KEYWORD_ADDED, KEYWORD, new)
    assert [keyword.status for keyword in new] == ["ignored", "new", "new"]


def ideas_for_larger_clusters(world: World) -> None:
    world.use("ideas-for-larger-clusters")
    large, small = (make_cluster(world.session, world.sector, name=f"shoes {n}") for n in range(2))
    for place in range(7):
        owner = large if place < 4 else small
        text = f"shoes {place}"
        make_keyword(world.session, world.sector, text=text, cluster_id=owner.id, status="clustered")
    world.happens(EventType.CLUSTER_CREATED, CLUSTER, [large, small])
    assert [idea.cluster_id for idea in world.all(Idea)] == [large.id]
    # A small one that grows is not created again, so this rule gets no event of it.
    make_keyword(world.session, world.sector, text="shoes 9", cluster_id=small.id, status="clustered")
    world.machine.settle()
    assert len(world.all(Idea)) == 1


def ideas_every_monday(world: World) -> None:
    clusters = clusters_with_keywords(world.session, world.sector, 13)
    for number, cluster_id in enumerate(clusters):
        volume = 499 if number == 0 else 500 + number
        make_keyword(world.session, world.sector, cluster_id=cluster_id, volume=volume, status="clustered")
    make_idea(world.session, world.sector, cluster_id=clusters[12])
    world.use("ideas-every-monday")
    world.planned()
    assert world.taken() == set(clusters[2:12]), "the ten most searched of at least 500 without ideas"
    assert len(world.all(Idea)) == 1 + 30
    world.planned()
    assert world.taken() == set(clusters[2:12]), "one run a day"


def keyword_to_draft(world: World) -> None:
    for number in range(3):
        make_keyword(world.session, world.sector, text=f"trail running shoes {number}")
    world.use("keyword-to-draft", mode="shadow")
    world.planned()
    assert [world.all(model) for model in (Cluster, Content)] == [[], []]
    world.use("keyword-to-draft", name="Live")
    world.planned()
    assert [len(world.all(model)) for model in (Cluster, Idea, Task, Content)] == [1, 1, 1, 1]
    assert world.all(Task)[0].word_count == 800


def accepted_to_tasks(world: World) -> None:
    world.use("accepted-to-tasks")
    accepted, rejected = (make_idea(world.session, world.sector) for _ in range(2))
    for idea, status in ((accepted, "accepted"), (rejected, "rejected")):
        update_idea(world.session, idea, {"status": status}, origin=Origin(world.account.id), now=NOW)
    world.machine.settle()
    (task,) = world.all(Task)
    assert (task.idea_id, task.word_count, task.due_on) == (accepted.id, 1000, TODAY + timedelta(days=7))


def ideas_that_wait(world: World) -> None:
    waits = make_idea(world.session, world.sector, title="Old idea", created_at=LONG_AGO)
    make_idea(world.session, world.sector)
    make_idea(world.session, world.sector, created_at=LONG_AGO, status="accepted")
    world.use("ideas-that-wait")
    for _ in range(2):
        world.planned()
    assert world.taken() == {waits.id}
    assert [role for _, role in world.notices()] == [Role.EDITOR] * 2, "the same again each time"
    assert "Old idea" in world.notices()[0][0]


def drafts_in_the_morning(world: World) -> None:
    other = make_sector(world.session, make_site(world.session, world.account))
    tasks = [
        make_task(world.session, place, status=status, word_count=300)
        for place in (world.sector, other)
        for status in ("draft", "queued", "queued")
    ]
    world.use("drafts-in-the-morning")
    world.planned()
    assert world.taken() == {tasks[1].id, tasks[4].id}, "the oldest queued one of each site"
    assert len(world.all(Content)) == 2


def write_when_ready(world: World) -> None:
    world.use("write-when-ready")
    ready, other = (make_task(world.session, world.sector, word_count=300) for _ in range(2))
    update_task(world.session, ready, {"status": "queued"}, origin=Origin(world.account.id), now=NOW)
    world.machine.settle()
    assert [content.task_id for content in world.all(Content)] == [ready.id]
    assert other.status == "draft"


def overdue_tasks(world: World) -> None:
    days = (TODAY - timedelta(days=1), TODAY, None)
    tasks = [make_task(world.session, world.sector, title=f"Task of {day}", due_on=day) for day in days]
    done = make_task(world.session, world.sector, due_on=days[0], status="done")
    world.use("overdue-tasks")
    for _ in range(2):
        world.planned()
    assert [task.labels for task in (*tasks, done)] == [["overdue"], [], [], []]
    ((body, role),) = world.notices()
    assert (role, tasks[0].title in body) == (Role.OPERATOR, True), "once for every task"


def written(world: World) -> list[Content]:
    fair, short = (make_content(world.session, world.sector, word_count=words) for words in (300, 299))
    outline = make_content(world.session, world.sector, word_count=400, outline=True)
    brief = make_content(world.session, world.sector, word_count=100, outline=True)
    contents = [fair, short, outline, brief]
    world.happens(EventType.CONTENT_GENERATED, CONTENT, contents)
    return contents


def hand_on_for_review(world: World) -> None:
    world.use("hand-on-for-review")
    assert [content.status for content in written(world)] == ["review", "draft", "draft", "draft"]


def mark_short_drafts(world: World) -> None:
    world.use("mark-short-drafts")
    assert [content.labels for content in written(world)] == [[], ["too short"], [], []]


def drafts_to_check(world: World) -> None:
    world.use("drafts-to-check")
    contents = written(world)
    ((body, role),) = world.notices()
    assert role == Role.EDITOR
    assert all(content.title in body for content in contents), "one notice for all"


def refresh_old_content(world: World) -> None:
    ages = [200 + number for number in range(21)]
    old = [published(world, age) for age in ages]
    published(world, 179)
    make_content(world.session, world.sector, status="draft", published_at=None)
    world.use("refresh-old-content")
    world.planned()
    assert world.taken() == {content.id for content in old[1:]}, "the twenty published longest ago"
    tasks = world.all(Task)
    assert {(task.task_type, task.due_on) for task in tasks} == {("refresh", TODAY + timedelta(days=30))}
    assert {task.title for task in tasks} == {f"Refresh: {content.title}" for content in old[1:]}
    world.planned()
    assert world.taken() == {content.id for content in old}, "the others the next time"


def published(world: World, days_ago: int) -> Content:
    at = NOW - timedelta(days=days_ago)
    return make_content(world.session, world.sector, status="published", published_at=at)


def credits_low(world: World) -> None:
    world.use("credits-low")
    world.planned()
    assert world.notices() == [], "silent while there is enough"
    world.account.credits_balance = 199
    world.planned()
    assert world.notices() == [("Less than a fifth of the month's credits is left.", Role.OWNER)]


def runs_that_fail(world: World) -> None:
    world.use("runs-that-fail")
    clusters = clusters_with_keywords(world.session, world.sector, 6)
    again = {"type": "generate_ideas", "params": {"again": True}}
    failing = world.machine.make_rule(
        world.account, name="Ideas", trigger="cluster_created", actions=[again], stop_after_failures=0
    )
    world.machine.model = FailingModel("refused", times=6)
    for cluster_id in clusters:
        world.machine.pass_time(minutes=1)
        world.machine.run_now(failing, record_ids=[cluster_id])
    said = world.notices()
    assert [role for _, role in said] == [Role.EDITOR] * 5, "at most five a day"
    assert said[0][0].startswith("“Ideas” has failed: ")
    assert said[4][0].endswith("Failed runs in a row: 5.")
    everybody = select(Notice.role).where(Notice.rule_id == failing.id, Notice.incident_id.is_not(None))
    assert set(world.session.scalars(everybody)) == {None}


def stop_writing(world: World) -> None:
    writing = world.machine.make_rule(
        world.account, name="W", trigger="task_created", actions=[{"type": "generate_content"}]
    )
    ideas = world.machine.make_rule(
        world.account, name="I", trigger="cluster_created", actions=[{"type": "generate_ideas"}]
    )
    world.use("stop-writing-without-credits")
    world.planned()
    assert (writing.is_active, ideas.is_active) == (True, True)
    world.account.credits_balance = 49
    world.planned()
    world.session.refresh(writing)
    assert (writing.is_active, ideas.is_active) == (False, True)
    assert [role for _, role in world.notices()] == [Role.EDITOR]


# Template -> what is tried, and what its sentence has to say of that.
SCENES: dict[str, tuple[Callable[[World], None], tuple[str, ...]]] = {
    "first-draft": (
        first_draft,
        ("When keywords are added", "at most 1 for each cluster", "at most once a day"),
    ),
    "group-every-night": (group_every_night, ("at 02:00", "where status is “New”")),
    "group-at-once": (group_at_once, ("When keywords are added", "at least 3 in each")),
    "mark-buyers": (mark_buyers, ("“Commercial”", "“Transactional”", "add the label “buying”")),
    "leave-out-small": (leave_out_small, ("volume is below 10", "status “Ignored”")),
    "ideas-for-larger-clusters": (ideas_for_larger_clusters, ("at least 4", "at most 3 for each cluster")),
    "ideas-every-monday": (
        ideas_every_monday,
        ("Every Monday", "up to 10 clusters, the highest total volume first,", "at least 500", "at most once a day"),
    ),
    "keyword-to-draft": (keyword_to_draft, ("Practice mode", "at most 1 for each cluster", "800 words", "800 a month")),
    "accepted-to-tasks": (accepted_to_tasks, ("becomes “Accepted”", "due in 7 days")),
    "ideas-that-wait": (ideas_that_wait, ("the same again each time", "editors and owners")),
    "drafts-in-the-morning": (drafts_in_the_morning, ("up to 1 task", "one run for each site", "“Queued”")),
    "write-when-ready": (write_when_ready, ("becomes “Queued”", "50 credits each")),
    "overdue-tasks": (overdue_tasks, ("due day", "add the label “overdue”", "operators, editors and owners")),
    "hand-on-for-review": (hand_on_for_review, ("at least 300", "status “Review”")),
    "mark-short-drafts": (mark_short_drafts, ("below 300", "brief", "add the label “too short”")),
    "drafts-to-check": (drafts_to_check, ("When content is written", "editors and owners")),
    "refresh-old-content": (
        refresh_old_content,
        ("up to 20 content items, the earliest published first,", "the same again after 180 days", "due in 30 days"),
    ),
    "credits-low": (credits_low, ("below 20", "to owners")),
    "runs-that-fail": (runs_that_fail, ("ended as failed", "at most 5 times a day")),
    "stop-writing-without-credits": (stop_writing, ("below 5", "all with the action “Write the content”")),
}  # fmt: skip


def test_every_template_has_its_scene() -> None:
    assert set(SCENES) == {entry.key for entry in TEMPLATES}


@pytest.mark.parametrize("key", SCENES)
def test_a_template_does_what_its_sentence_says(world: World, key: str) -> None:
    scene, said = SCENES[key]
    sentence = summary_of(template(key).definition("UTC"))
    assert [part for part in said if part not in sentence] == []
    scene(world)
