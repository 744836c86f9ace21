"""What the people of Northlight Content do in the browser, through the services that pages and API call."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs import commands
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.planner.models import Idea, IdeaStatus, Keyword, KeywordStatus
from app.business.planner.services.idea_service import decide_ideas
from app.business.planner.services.keyword_service import add_keyword, update_keyword
from app.business.writer.models import Task, TaskStatus
from app.business.writer.services.task_service import create_task
from app.demo import rules
from app.demo.agency import Agency, add_site
from app.demo.articles import ARTICLES, DemoArticle

LATE_KEYWORDS: tuple[dict[str, Any], ...] = (
    {"text": "hiking boots for flat feet", "volume": 1600, "difficulty": 31, "intent": "commercial"},
    {"text": "hiking boots for narrow feet", "volume": 880, "difficulty": 26, "intent": "commercial"},
    {"text": "how tight should hiking boots be", "volume": 720, "difficulty": 18, "intent": "informational"},
)


LEFT_FOR_THE_END = 12
"""Ideas that are not decided on in the course of the month: its last hour shows a day's limit of decisions."""


class People:
    """The people of the agency. `clock` gives the time of each action."""

    def __init__(self, session: Session, agency: Agency, clock: Callable[[], datetime]) -> None:
        self.session, self.agency, self.clock = session, agency, clock
        self.account_id = agency.account.id
        self.rules: dict[str, AutomationRule] = {}

    def make_rules(self) -> None:
        """The owner creates the six rules."""
        for data in rules.RULES:
            owner, now = self.agency.owner, self.clock()
            rule = AutomationService().create_rule(
                self.session, self.agency.account, data, Actor(owner.id), now
            )
            self.rules[rule.name] = rule

    def import_site(self, key: str) -> None:
        """A new customer: its site and its keyword file."""
        add_site(self.session, self.agency, key, self.clock())

    def brief(self, site: str) -> None:
        """The editor writes tasks that belong to no idea."""
        for article in self._articles(site):
            sector, fields = article.sector(self.session, self.agency), article.brief
            fields["assignee"] = self.agency.operator.id
            origin = self.agency.by(self.agency.editor)
            create_task(self.session, sector, fields, origin=origin, now=self.clock())

    def finish(self, site: str, step: Callable[[Session, Agency, DemoArticle, datetime], None]) -> None:
        """Complete, approve or publish the site's articles."""
        for article in self._articles(site):
            step(self.session, self.agency, article, self.clock())

    def decide(self) -> None:
        """The editor reviews new ideas of all sites: accepts two, rejects one; some are left for the last day."""
        found = self._new_ideas(3, keep=LEFT_FOR_THE_END)
        self._decide(found[::2], IdeaStatus.ACCEPTED, self.agency.editor)
        self._decide(found[1:2], IdeaStatus.REJECTED, self.agency.editor)

    def accept_one(self) -> None:
        """Accept one more idea, on its own."""
        self._decide(self._new_ideas(1), IdeaStatus.ACCEPTED, self.agency.editor)

    def ignore_shops(self) -> None:
        """Ignore searches for local shops: the agency does not write about them."""
        shops = select(Keyword).where(
            Keyword.account_id == self.account_id,
            Keyword.status == KeywordStatus.NEW,
            Keyword.text.contains("near me"),
        )
        origin = self.agency.by(self.agency.editor)
        for keyword in self.session.scalars(shops).all():
            update_keyword(self.session, keyword, {"status": "ignored"}, origin=origin, now=self.clock())

    def lower_alarm(self) -> None:
        """A notice every morning was too much: the rule's second version fires only at a real shortage."""
        rule, editor, now = self.rules[rules.CREDITS], self.agency.editor, self.clock()
        condition: JsonObject = {"field": "account.credits_percent", "operator": "lt", "value": 25}
        data = definition_of(rule) | {"conditions": condition}
        AutomationService().update_rule(self.session, rule, data, Actor(editor.id), now)

    def top_up(self) -> None:
        """The owner adds credits beyond the month's."""
        CreditService().add(
            self.session,
            account_id=self.account_id,
            kind=EntryKind.ADJUST,
            amount=250,
            key="adjust-demo-top-up",
            reason="Extra credits for a campaign",
            now=self.clock(),
            user_id=self.agency.owner.id,
        )

    def add_keywords(self) -> None:
        """The writer adds keywords by hand."""
        sector = ARTICLES[0].sector(self.session, self.agency)
        for fields in LATE_KEYWORDS:
            origin = self.agency.by(self.agency.operator)
            add_keyword(self.session, sector, fields, origin=origin, now=self.clock())

    def retry_failed(self) -> None:
        """The writer retries what failed."""
        failed = select(ScheduledTask).where(
            ScheduledTask.account_id == self.account_id, ScheduledTask.status == Status.FAILED
        )
        for run in self.session.scalars(failed).all():
            commands.retry(self.session, run, self.clock())

    def start_draft(self) -> None:
        """The writer starts a draft by hand instead of waiting for the morning."""
        queued = select(Task.id).where(Task.account_id == self.account_id, Task.status == TaskStatus.QUEUED)
        task_id = self.session.scalar(queued.order_by(Task.id).limit(1))
        if task_id is not None:
            AutomationService().execute(
                self.session,
                self.rules[rules.DRAFT],
                Actor(self.agency.operator.id, role=Role.OPERATOR),
                self.clock(),
                record_ids=[task_id],
            )

    def _articles(self, site: str) -> list[DemoArticle]:
        return [article for article in ARTICLES if article.site == site]

    def _new_ideas(self, most: int, *, keep: int = 0) -> list[int]:
        """New ideas, spread over the whole list so that every site gets its share."""
        new = select(Idea.id).where(Idea.account_id == self.account_id, Idea.status == IdeaStatus.NEW)
        ids: Sequence[int] = self.session.scalars(new.order_by(Idea.id)).all()
        most = max(0, min(most, len(ids) - keep))
        if not most:
            return []
        return list(ids[:: max(1, len(ids) // most)][:most])

    def _decide(self, ids: list[int], status: str, person: User) -> None:
        decide_ideas(self.session, ids, status, origin=self.agency.by(person), now=self.clock())
