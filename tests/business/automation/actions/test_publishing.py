"""Publishing in WordPress: one post for one article, whatever happens between, and nobody's work is overwritten."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.business.accounts.models import Role
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.errors import Conflict, Invalid
from app.business.events import Origin
from app.business.language_model import ProviderFault
from app.business.writer.models import Content
from app.business.writer.services import publications, publishing
from app.business.writer.services.content_edit import mark_published, update_content
from app.business.writer.services.sent_article import slug_of
from app.infrastructure.wordpress import publisher
from tests.business.automation.actions.publishing_world import OWNER, World
from tests.business.automation.machine import Machine
from tests.infrastructure.wordpress_stand_in import RANK_MATH, YOAST, WordPress, serving
from tests.sampling import times

TRIALS = times(full=50, sample=2)


@pytest.fixture
def wordpress() -> Iterator[WordPress]:
    with serving() as wordpress:
        yield wordpress


@pytest.fixture
def world(session: Session, wordpress: WordPress) -> Iterator[World]:
    world = World(session, wordpress)
    yield world
    assert world.machine.breaches() == []


def edit(world: World, content: Content, **changes: Any) -> None:
    origin = Origin(account_id=content.account_id, user_id=None)
    update_content(world.session, content, changes, origin=origin, now=world.machine.now)
    world.session.commit()


def state(world: World, content: Content) -> tuple[str, str]:
    world.session.refresh(content)
    return content.status, content.published_url


@pytest.mark.both_databases
def test_an_approved_article_is_published_with_all_that_belongs_to_it(world: World) -> None:
    world.wordpress.metas = (*YOAST, "rank_math_title", "other")
    world.connection.categories, world.connection.author = ["Tools & Toys"], "Ada Lovelace"
    content = world.article(labels=["pillar", "tag: oak", "Category: Sheds", "category:tools & toys"])
    run = world.settled(world.start(world.rule(), content))
    post = world.only_post
    address = f"{world.wordpress.url}/garden-sheds/"
    assert (run.status, run.credits_used, world.receipt(run).message) == (
        "completed", 0, f"Published at {address}",
    )  # fmt: skip
    assert state(world, content) == ("published", address)
    assert content.published_at == world.machine.now
    names = world.wordpress.terms
    assert [names["categories"][id] for id in post["categories"]] == ["Tools & Toys", "Sheds"]
    assert [names["tags"][id] for id in post["tags"]] == ["oak"]
    assert (post["title"], post["slug"], post["excerpt"], post["author"]) == (
        "Garden Sheds", "garden-sheds", "What to know.", 2,
    )  # fmt: skip
    assert post["content"].startswith("<p>All about sheds.</p>\n<!-- igny8:")
    assert post["meta"] == {
        "_yoast_wpseo_title": "Sheds", "_yoast_wpseo_metadesc": "What to know.", "_yoast_wpseo_focuskw": "shed",
        "rank_math_title": "Sheds",
    }  # fmt: skip


def test_a_draft_stays_unpublished_until_the_site_says_otherwise(world: World) -> None:
    content = world.article()
    run = world.settled(world.start(world.rule(status="draft"), content))
    assert (world.only_post["status"], world.receipt(run).message) == (
        "draft", "Unpublished in WordPress: a draft",
    )  # fmt: skip
    assert state(world, content) == ("approved", "")
    world.settled(world.start(world.rule(status="publish"), content))
    assert (world.only_post["status"], state(world, content)[0]) == ("publish", "published")


def test_a_published_article_is_left_to_people(world: World) -> None:
    content, rule = world.article(), world.rule()
    world.settled(world.start(rule, content))
    again = world.settled(world.start(rule, content))
    assert (again.status, again.reason, len(world.posts)) == ("skipped", "conditions", 1)
    edit(world, content, html="<p>More about sheds.</p>")
    assert publications.changed_since(world.session, [content.id], world.account.id) == {content.id}
    assert state(world, content)[0] == "published"
    world.publish(content)
    assert world.only_post["content"].startswith("<p>More about sheds.</p>")
    assert publications.changed_since(world.session, [content.id], world.account.id) == set()
    assert state(world, content)[0] == "published"
    world.publish(content, status="draft")
    assert (world.only_post["status"], state(world, content)) == ("draft", ("approved", ""))
    # The rule is started by that change of status, and must not undo what the person did.
    left = world.machine.runs()[-1]
    assert (left.automation_rule_id, world.receipt(left).message) == (rule.id, publishing.TAKEN_DOWN)
    world.machine.pass_time(minutes=1)
    edit(world, content, status="review")
    edit(world, content, status="approved")
    world.machine.settle()
    assert state(world, content)[0] == "published"


@pytest.mark.parametrize(
    "values", [{"status": "draft"}, {"status": "review"}, {"outline": True}, {"html": " "}]
)
def test_what_is_not_an_approved_article_is_not_published(world: World, values: dict[str, Any]) -> None:
    content = world.article(**values)
    with pytest.raises(Conflict):
        world.publish(content)
    run = world.settled(world.start(world.rule(), content))
    assert (run.status, world.posts) == ("skipped" if "status" in values else "completed", [])
    if "outline" in values:
        assert "brief" in world.receipt(run).message
    forced = world.settled(world.start(world.rule(unapproved=True), content))
    assert len(world.posts) == ("status" in values), forced.result


def test_only_owners_publish_what_nobody_has_approved(world: World) -> None:
    body = {"name": "All", "trigger": "content_generated",
            "actions": [{"type": "publish_content", "params": {"unapproved": True}}]}  # fmt: skip
    editor, service = Actor(None, Role.EDITOR), AutomationService()
    with pytest.raises(Invalid) as refusal:
        service.create_rule(world.session, world.account, body, editor, world.machine.now)
    assert refusal.value.errors == {"actions[0].params.unapproved": ["Only an owner can choose this."]}
    world.session.rollback()
    rule = service.create_rule(world.session, world.account, body, OWNER, world.machine.now)
    service.update_rule(world.session, rule, body | {"priority": 2}, editor, world.machine.now)


# --- one post, whatever happens


@pytest.mark.both_databases
@pytest.mark.parametrize("trial", range(TRIALS))
def test_a_worker_killed_between_post_and_receipt_makes_one_post(world: World, trial: int) -> None:
    if trial % 2:
        world.wordpress.add("Garden Sheds", "A stranger's")
    content, rule = world.article(), world.rule()
    world.publisher.dies = 1 + trial % 2
    run = world.settled(world.start(rule, content))
    assert (run.status, run.attempt) == ("completed", 2 + trial % 2)
    assert world.only_post["status"] == "publish"
    assert state(world, content)[0] == "published"
    assert [post["content"] for post in world.wordpress.posts.values() if post not in world.posts] == (
        ["A stranger's"] if trial % 2 else []
    )


def test_the_same_trial_finds_the_double_where_the_marker_is_not_looked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_mark_of", lambda _row: ("", ""))
    content = world.article()
    world.publisher.dies = 1
    world.settled(world.start(world.rule(), content))
    assert len(world.posts) == 2


def test_a_lost_answer_is_found_again_even_behind_a_stranger_who_came_between(world: World) -> None:
    """WordPress itself then chose an address that we do not know."""
    wordpress = world.wordpress
    wordpress.meanwhile = lambda _path, _sent: wordpress.add("Garden Sheds", "A stranger's") and None
    wordpress.forgets = 1
    content = world.article()
    run = world.settled(world.start(world.rule(), content))
    assert (run.status, run.auto_retries) == ("completed", 1)
    assert world.only_post["slug"] == "garden-sheds-2"
    assert state(world, content) == ("published", f"{wordpress.url}/garden-sheds-2/")


@pytest.mark.both_databases
def test_two_runs_that_publish_the_same_article_at_the_same_moment_make_one_post(
    world: World, session: Session
) -> None:
    content = world.article()
    first, second = (world.start(world.rule(), content) for _ in range(2))
    engine: Engine = session.get_bind()  # type: ignore[assignment]

    def run_the_other() -> None:
        with Session(engine, expire_on_commit=False) as other:
            Machine(other, publisher=world.publisher, now=world.machine.now).engine.execute(second.id)

    world.publisher.meanwhile = run_the_other
    world.machine.engine.execute(first.id)
    session.expire_all()
    assert session.get_one(ScheduledTask, second.id).status == Status.PENDING
    assert second.error_message == f"Publish in WordPress: {publications.BUSY}"
    world.settled(second)
    assert (world.receipt(second).status, world.receipt(second).message) == (
        "left_out",
        "It is published already.",
    )
    assert (len(world.posts), state(world, content)[0]) == (1, "published")


def test_an_answer_lost_in_an_update_is_no_edit_by_others(world: World) -> None:
    content = world.article()
    world.publish(content)
    edit(world, content, html="<p>More.</p>")
    world.wordpress.forgets = 1
    run = world.publish(content)
    assert (run.status, run.auto_retries, world.receipt(run).status) == ("completed", 1, "done")
    assert world.only_post["content"].startswith("<p>More.</p>")


# --- what others have done there


def test_a_strangers_post_is_never_overwritten(world: World) -> None:
    theirs = world.wordpress.add("Garden Sheds", "Theirs.", status="draft")
    content = world.article()
    world.settled(world.start(world.rule(), content))
    assert world.wordpress.posts[theirs]["content"] == "Theirs."
    assert world.only_post["slug"] == f"garden-sheds-{world.publication(content).marker[:8]}"


@pytest.mark.parametrize("how", ["trashed", "deleted", "edited"])
def test_what_people_did_to_the_post_is_said_and_stays(world: World, how: str) -> None:
    content = world.article()
    world.publish(content)
    [(id, post)] = world.wordpress.posts.items()
    if how == "trashed":
        world.wordpress.trash(id)
    elif how == "deleted":
        del world.wordpress.posts[id]
    else:
        post["content"] = post["content"].replace("All", "Everything")
    before = dict(post)
    edit(world, content, html="<p>More.</p>")
    run = world.publish(content)
    assert (run.status, world.receipt(run).status) == ("completed", "left_out")
    words = {"trashed": "in the trash", "deleted": "has deleted", "edited": "has edited"}
    assert words[how] in world.receipt(run).message
    assert post == before
    assert len(world.wordpress.posts) == (how != "deleted")
    assert state(world, content)[0] == ("published" if how == "edited" else "approved")
    if how == "edited":
        world.publish(content, overwrite=True)
        assert world.only_post["content"].startswith("<p>More.</p>")
        return
    publications.start_over(world.session, content, world.machine.now)
    world.publish(content)
    assert [post["content"][:12] for post in world.posts if post["status"] == "publish"] == ["<p>More.</p>"]
    assert state(world, content)[0] == "published"


def test_an_update_after_the_connection_leads_to_another_site_touches_nothing_there(world: World) -> None:
    content, draft = world.article(), world.article(title="Only a draft")
    world.publish(content)
    world.publish(draft, status="draft")
    edit(world, content, html="<p>More.</p>")
    with serving() as other:
        theirs = [other.add(f"Number {number}", "Theirs.") for number in range(3)]
        world.connection.url = other.url
        settings = world.settings.model_copy(update={"outbound_allow": (other.host,)})
        world.publisher.own = publisher.WordPressPublisher(settings)
        run = world.publish(content)
        assert f"Its post is at {world.wordpress.url}" in world.receipt(run).message
        assert [other.posts[id]["content"] for id in theirs] == ["Theirs."] * 3
        assert (len(other.posts), state(world, content)[0]) == (3, "published")
        world.publish(draft)
        assert len(other.posts) == 4
    assert [post["content"][:9] for post in world.posts] == ["<p>All ab"] * 2


def test_an_article_marked_by_hand_gets_no_second_post(world: World) -> None:
    content = world.article()
    origin = Origin(account_id=content.account_id, user_id=None)
    mark_published(world.session, content, "https://shop.example/sheds", origin=origin, now=world.machine.now)
    with pytest.raises(Conflict, match="by hand"):
        world.publish(content)
    edit(world, content, title="Other")
    assert publications.changed_since(world.session, [content.id], world.account.id) == {content.id}
    publications.take_back_mark(world.session, content, origin=origin, now=world.machine.now)
    world.publish(content)
    assert (len(world.posts), state(world, content)[0]) == (1, "published")


# --- faults


@pytest.mark.parametrize(
    ("how", "is_passing", "sentence"),
    [
        ({"refusals": [(503, "Maintenance")]}, True, "has trouble"), ({"refusals": [(429, "")]}, True, "slow down"),
        ({"refusals": [(200, "<html>")]}, False, "a page instead of data"),
        ({"refusals": [(200, [{"id": 1}])]}, False, "cannot be used"),
        ({"refusals": [(401, {"code": "incorrect_password"})]}, False, "application password"),
        ({"refusals": [(403, "<html>")]}, False, "firewall"), ({"role": "contributor"}, False, "role is too low"),
    ],
)  # fmt: skip
def test_every_fault_is_a_sentence_and_only_passing_ones_are_tried_again(
    world: World, how: dict[str, Any], is_passing: bool, sentence: str
) -> None:
    for name, value in how.items():
        setattr(world.wordpress, name, value)
    content = world.article()
    run = world.start(world.rule(), content)
    world.machine.settle()
    world.session.refresh(run)
    assert (run.status, sentence in run.error_message) == ("pending" if is_passing else "failed", True), (
        run.error_message
    )
    assert world.publication(content).claim_key is None
    if is_passing:
        assert (run.not_before - world.machine.now).total_seconds() <= 10  # type: ignore[operator]
        assert world.settled(run).status == "completed"


def test_without_a_connection_it_says_who_can_make_one(world: World) -> None:
    world.session.delete(world.connection)
    content = world.article()
    run = world.settled(world.start(world.rule(), content))
    assert (run.status, "An owner can connect it on the site's page" in run.error_message) == ("failed", True)
    with pytest.raises(Conflict, match="No WordPress"):
        world.publish(content)


def test_an_exchange_that_was_held_up_writes_nothing_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.infrastructure.wordpress.client.LATEST_WRITE", -1.0)
    with pytest.raises(ProviderFault, match="too slowly"):
        world.publisher.own.publish(world.request())
    assert world.wordpress.posts == {}


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Größe & Maß: 10 Tipps!", "grosse-mass-10-tipps"), ("小屋", "article"), ("  -- ", "article"),
        ("word " * 40, "-".join(["word"] * 16)), ("x" * 200, "x" * 80),
    ],
)  # fmt: skip
def test_the_slug_is_made_of_the_title(title: str, slug: str) -> None:
    assert slug_of(title) == slug


def test_seo_fields_of_rank_math_are_filled_where_it_is_present(world: World) -> None:
    world.wordpress.metas = RANK_MATH
    world.publish(world.article())
    assert list(world.only_post["meta"].values()) == ["Sheds", "What to know.", "shed"]
