"""An article is written part by part: each is kept under its key, checked, repaired once, and charged once."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.runs import commands, recovery
from app.business.automation.unit_models import ActionRun, UnitPart
from app.business.billing.models import CreditEntry
from app.business.language_model import Prompt, ProviderFault
from app.business.outlets.services import ai_spending
from app.business.outlets.services.ai_connections import find
from app.business.planner.models import Sector, Site
from app.business.writer.models import Content, Task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import ArticleModel, text_of
from tests.factories import make_ai_connection, make_content, make_task

WRITE: dict[str, Any] = {"trigger": "task_created", "actions": [{"type": "generate_content"}]}
PARTS = 6
"""An outline, an introduction and three sections, texts for search engines."""


class Killed(BaseException):
    """The worker is gone: nothing after this is done by it."""


class Trial:
    """One task of 600 words on a machine with an AI service."""

    def __init__(self, machine: Machine, session: Session, account: Account, sector: Sector) -> None:
        self.machine, self.session, self.account = machine, session, account
        self.model = machine.model = ArticleModel(sections=3)
        make_ai_connection(session, account, price_in=2_000_000, price_out=4_000_000)
        self.task = make_task(session, sector, title="Oak tables", word_count=600, main_keyword="oak table")
        self.rule = machine.make_rule(account, **WRITE)

    def run(self) -> ScheduledTask:
        return self.machine.run_now(self.rule, record_ids=[self.task.id])

    def retry(self, run: ScheduledTask) -> None:
        commands.retry(self.session, run, self.machine.now)
        self.machine.settle()
        self.session.refresh(run)

    def key(self, part: int) -> str:
        run = self.session.scalars(select(ScheduledTask.id)).one()
        return f"r{run}-s0-{self.task.id}-p{part}"

    def is_sound(self) -> None:
        """Charged once, nothing is set aside, no part is left."""
        assert self.session.scalar(select(func.count()).select_from(Content)) == 1
        charges = self.session.scalars(select(CreditEntry.amount).where(CreditEntry.kind == "charge")).all()
        assert charges == [-6]
        assert self.session.scalar(select(func.count()).select_from(UnitPart)) == 0
        spent = ai_spending.this_month(self.session, self.account, self.machine.now)
        assert spent is None or spent.held == 0
        assert self.machine.breaches() == []


@pytest.fixture
def trial(machine: Machine, session: Session, account: Account, sector: Sector) -> Trial:
    return Trial(machine, session, account, sector)


def test_each_part_is_asked_for_once_under_its_key(trial: Trial, session: Session) -> None:
    trial.model.tokens = {"prompt_tokens": 100, "completion_tokens": 50}
    run = trial.run()
    assert run.status == Status.COMPLETED
    assert trial.model.keys == [trial.key(part) for part in range(1, PARTS + 1)]
    content = session.scalars(select(Content)).one()
    assert (content.title, content.meta_title, content.outline) == ("Oak tables", "A title", False)
    assert (content.score, content.checks_failed) == (100, [])
    assert abs(content.word_count - 600) <= 90
    receipt = session.scalars(select(ActionRun)).one()
    assert (receipt.tokens_in, receipt.tokens_out, receipt.prompt_version) == (600, 300, "content-2")
    assert receipt.ai_cost == 6 * (100 * 2 + 50 * 4)
    trial.is_sound()


def test_the_site_and_the_text_before_are_in_view(trial: Trial, session: Session, sector: Sector) -> None:
    site = session.get_one(Site, sector.site_id)
    site.about, site.tone, site.words_to_avoid = "We sell oak.", "Calm", ["synergy"]
    make_content(session, sector, title="Care", status="published", published_url="https://example.com/care")
    session.commit()
    trial.run()
    outline, _, first, second, _, metas = (prompt.facts for _, prompt in trial.model.asked)
    assert outline["site"]["about"] == "We sell oak."
    assert outline["own_pages"] == [{"title": "Care", "url": "https://example.com/care"}]
    assert second["earlier_text"].endswith(
        text_of(first["section"]["words"], "Oak tables Part a", "oak table")
    )
    assert sum(facts["section"]["words"] for facts in (first, second)) < 600
    assert metas["article"]["title"] == "Oak tables"


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_a_worker_killed_at_any_part_repeats_that_part_alone(trial: Trial, part: int) -> None:
    def die(_prompt: Prompt) -> Any:
        raise Killed

    trial.model.says[f"-p{part}"] = die
    with pytest.raises(Killed):
        trial.run()
    trial.session.rollback()
    trial.machine.pass_time(minutes=10)
    recovery.rescue(trial.machine.transaction, trial.machine.clock)
    trial.machine.settle()
    wanted = [*range(1, part + 1), *range(part, PARTS + 1)]
    assert trial.model.keys == [trial.key(number) for number in wanted]
    trial.is_sound()


@pytest.mark.parametrize("part", [1, 4, PARTS])
def test_after_a_time_out_one_part_is_repeated(trial: Trial, part: int) -> None:
    fault = ProviderFault("timeout", "Too slow.")
    trial.model.says[f"-p{part}"] = lambda _prompt: fault
    run = trial.run()
    assert run.status == Status.PENDING
    trial.machine.pass_time(minutes=10)
    trial.machine.settle()
    assert len(trial.model.keys) == PARTS + 1
    trial.is_sound()


def test_a_worker_that_is_stopped_hands_the_article_over_between_two_parts(trial: Trial) -> None:
    def stop(prompt: Prompt) -> Any:
        trial.machine.draining = True
        return trial.model.answer(prompt)

    trial.model.says["-p3"] = stop
    run = trial.run()
    assert (run.status, len(trial.model.keys)) == (Status.PENDING, 3)
    trial.machine.draining = False
    trial.machine.settle()
    assert len(trial.model.keys) == PARTS
    trial.is_sound()


FAULTS: dict[str, Callable[[str], str]] = {
    "placeholder": lambda text: f"{text} [Insert statistic here]",
    "ai_talk": lambda text: f"As an AI language model, I cannot know. {text}",
    "links": lambda text: f"{text} See [this](https://made-up.example.net/).",
    "banned_words": lambda text: f"{text} Synergy.",
    "length": lambda text: text[:60],
}


def faulty(trial: Trial, fault: str) -> Callable[[Prompt], Any]:
    return lambda prompt: {"text": FAULTS[fault](trial.model.answer(prompt)["text"])}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_section_is_written_again_once(
    trial: Trial, session: Session, sector: Sector, fault: str
) -> None:
    session.get_one(Site, sector.site_id).words_to_avoid = ["synergy"]
    session.commit()
    trial.model.says["-p3"] = faulty(trial, fault)
    assert trial.run().status == Status.COMPLETED
    repair = trial.model.asked[3][1].facts
    assert repair["faults"]
    assert repair["section"]["heading"] == "Part a"
    content = session.scalars(select(Content)).one()
    assert (content.score, len(trial.model.keys)) == (100, PARTS + 1)
    trial.is_sound()


def test_what_is_still_wrong_after_its_repair_lowers_the_score(trial: Trial, session: Session) -> None:
    trial.model.says |= {"-p3": faulty(trial, "links"), "-p4": faulty(trial, "links")}
    assert trial.run().status == Status.COMPLETED
    content = session.scalars(select(Content)).one()
    assert (content.checks_failed, content.score) == (["links"], 85)


@pytest.mark.parametrize("fault", ["placeholder", "ai_talk"])
def test_an_article_that_must_not_be_kept_costs_nothing_and_a_retry_writes_only_the_faulty_section(
    trial: Trial, session: Session, fault: str
) -> None:
    trial.model.says |= {"-p3": faulty(trial, fault), "-p4": faulty(trial, fault)}
    run = trial.run()
    assert (run.status, run.reason, run.credits_used) == (Status.FAILED, Reason.ACTION_FAILED, 0)
    assert "cannot be used, also after it was corrected" in run.error_message
    assert session.scalars(select(Content)).all() == []
    assert session.get_one(Task, trial.task.id).status == "failed"
    asked = len(trial.model.keys)
    trial.retry(run)
    assert run.status == Status.COMPLETED
    headings = [prompt.facts["section"]["heading"] for _, prompt in trial.model.asked[asked:-1]]
    assert headings == ["Part a"]
    assert len(set(trial.model.keys)) == len(trial.model.keys)
    trial.is_sound()


def test_an_article_that_stays_too_short_fails_and_its_retry_goes_on(trial: Trial, session: Session) -> None:
    trial.model.ratio = 0.08
    run = trial.run()
    assert (run.status, run.reason, run.credits_used) == (Status.FAILED, Reason.ACTION_FAILED, 0)
    assert "of the 600 words that were asked for" in run.error_message
    assert len(trial.model.keys) == 1 + 2 * 4
    trial.model.ratio = 1.0
    trial.retry(run)
    assert run.status == Status.COMPLETED
    assert trial.model.keys.count(trial.key(1)) == 1
    trial.is_sound()


def test_texts_for_search_engines_that_are_too_long_are_asked_for_again(
    trial: Trial, session: Session
) -> None:
    trial.model.says["-p6"] = lambda _prompt: {"meta_title": "Long " * 20, "meta_description": "Long " * 60}
    trial.run()
    content = session.scalars(select(Content)).one()
    assert (content.meta_title, content.meta_description) == ("A title", "What it is about.")
    assert trial.model.asked[-1][1].facts["faults"]
    trial.is_sound()


def test_beyond_the_limit_in_money_no_further_part_is_asked_for(trial: Trial, session: Session) -> None:
    trial.model.tokens = {"prompt_tokens": 1_000, "completion_tokens": 4_000}
    connection = make_connection_limit(session, trial.account, 40_000)
    run = trial.run()
    assert (run.status, run.reason) == (Status.FAILED, Reason.BUDGET)
    asked = len(trial.model.keys)
    assert 0 < asked < PARTS
    connection.monthly_limit = None
    trial.retry(run)
    assert (run.status, len(trial.model.keys)) == (Status.COMPLETED, PARTS)
    trial.is_sound()


def make_connection_limit(session: Session, account: Account, limit: int) -> Any:
    connection = find(session, account.id)
    assert connection
    connection.monthly_limit = limit
    session.commit()
    return connection
