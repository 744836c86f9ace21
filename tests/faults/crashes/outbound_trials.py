"""Runs whose work leaves this installation, by webhook, mail and post, done by children that die."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.operations.publish_now import publish_now
from app.business.automation.unit_models import ActionRun
from app.business.outlets.mail_models import Mail
from app.business.outlets.outgoing_models import Outgoing
from app.business.outlets.services import webhooks
from app.business.outlets.services.webhooks import WebhookValues
from app.business.outlets.webhook_models import WebhookDelivery
from app.business.writer.publication_models import Publication
from app.infrastructure.secret_box import SecretBox
from tests.business.automation.actions.publishing_world import connect
from tests.factories import make_account, make_content, make_keyword, make_sector, make_site
from tests.faults.crashes.trials import Trials
from tests.infrastructure import wordpress_stand_in
from tests.infrastructure.mail_receiver import Postbox, mail_server
from tests.infrastructure.webhook_receiver import Receiver, receiving
from tests.infrastructure.wordpress_stand_in import WordPress

BEFORE, BETWEEN, AFTER = "before it is sent", "between sending and receipt", "after the receipt"
SAMPLE = {BEFORE: "before-send", BETWEEN: "after-send", AFTER: "after-receipt"}
"""Where a worker that is killed there leaves the first message."""


class Sending(ABC):
    """One run, which is due since a minute, with its wake-up job; and whoever receives what it sends."""

    commits: int
    """Of the whole work of a worker on this run."""

    def __init__(
        self, session: Session, trials: Trials, box: SecretBox, today: datetime, outside: Any
    ) -> None:
        self.session, self.trials, self.box, self.outside = session, trials, box, outside
        self.today, self.ago = today, today - timedelta(minutes=1)
        self.account = make_account(session, granted_at=datetime.now(UTC))
        self.sector = make_sector(session, make_site(session, self.account))
        self.run = self.open()
        session.commit()

    @staticmethod
    @abstractmethod
    def receiver() -> AbstractContextManager[Any]:
        """Who receives what is sent."""

    @abstractmethod
    def open(self) -> ScheduledTask:
        """The run."""

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """How its workers know where to send."""

    @abstractmethod
    def arrived(self) -> int:
        """How many have arrived, each counted once."""

    @abstractmethod
    def recorded(self) -> int:
        """How many are known to have arrived."""

    @abstractmethod
    def faults(self) -> Iterator[str]:
        """What was lost, or sent twice without need."""

    def kill(self, point: str, *without: str) -> None:
        """A worker works until that point. Raises AssertionError where it does not come to it."""
        assert self.trials.dies("work_off", dies=point, without=without, environment=self.environment)

    def moment(self) -> str:
        """Where that has left the messages."""
        self.session.rollback()
        arrived, recorded = self.arrived(), self.recorded()
        return BETWEEN if arrived > recorded else AFTER if recorded else BEFORE

    def heal(self, *without: str) -> None:
        """The minute until claims and reservations expire is taken from the rows, not waited for; then a sweep, and
        workers.
        """
        taken = update(ScheduledTask).where(ScheduledTask.lease_token.is_not(None))
        self.session.execute(taken.values(lease_until=self.ago))
        for model in (Mail, WebhookDelivery):
            self.session.execute(update(model).where(model.status == "pending").values(next_at=self.ago))
            held = update(model).where(model.lease_token.is_not(None))
            self.session.execute(held.values(lease_until=self.ago))
        self.session.commit()
        self.trials.run("heal", without=without, environment=self.environment)

    def wrong(self) -> list[str]:
        """All that is not as if nobody had been killed, except one message that arrived twice."""
        self.session.rollback()
        self.session.refresh(self.run)
        found = [] if self.run.status == Status.COMPLETED else [f"run: {self.run.status}"]
        breaches = audit(self.session, self.today + timedelta(minutes=10))
        return [*found, *self.faults(), *(f"{breach.name}: {breach.rows}" for breach in breaches)]

    def execute(self, action: Mapping[str, Any]) -> ScheduledTask:
        """A run with that action for one keyword."""
        values = {"name": "Send", "trigger": "keyword_added", "actions": [action]}
        rule = AutomationService().create_rule(self.session, self.account, values, Actor(None), self.ago)
        keyword = make_keyword(self.session, self.sector)
        return AutomationService().execute(self.session, rule, Actor(None), self.ago, record_ids=[keyword.id])

    def count(self, model: type[Any], *conditions: ColumnElement[bool]) -> int:
        query = select(func.count(model.id)).where(model.account_id == self.account.id, *conditions)
        return self.session.scalar(query) or 0

    def messages_wrong(self, model: type[Outgoing], expected: int, arrived: Counter[str]) -> Iterator[str]:
        """arrived: how often, by message id."""
        ids = select(model.message_id).where(model.account_id == self.account.id)  # type: ignore[attr-defined]
        written = set(self.session.scalars(ids))
        if len(written) != expected or self.recorded() != expected:
            yield f"{len(written)} written, {self.recorded()} recorded, of {expected}"
        if set(arrived) != written:
            yield f"lost, or of another id: {set(arrived) ^ written}"
        if arrived.total() > len(arrived) + 1:
            yield f"more than the one in flight came twice: {arrived}"


class WebhookSending(Sending):
    """The message of an action, and the one about the run's end."""

    outside: Receiver
    commits = 9

    @staticmethod
    def receiver() -> AbstractContextManager[Receiver]:
        return receiving()

    def open(self) -> ScheduledTask:
        values = WebhookValues("Slack", self.outside.url, ["run.completed"])
        hook, _ = webhooks.create(
            self.session, self.account.id, AuditActor(), values, seal=self.box.seal, now=self.ago
        )
        return self.execute({"type": "send_webhook", "params": {"webhook": hook.id}})

    @property
    def environment(self) -> Mapping[str, str]:
        return {"OUTBOUND_ALLOW": self.outside.host}

    def arrived(self) -> int:
        return len(set(self.outside.ids))

    def recorded(self) -> int:
        return self.count(WebhookDelivery, WebhookDelivery.status == "delivered")

    def faults(self) -> Iterator[str]:
        yield from self.messages_wrong(WebhookDelivery, 2, Counter(self.outside.ids))


class MailSending(Sending):
    """One mail to each of three addresses."""

    outside: Postbox
    commits = 11

    @staticmethod
    def receiver() -> AbstractContextManager[Postbox]:
        return mail_server()

    def open(self) -> ScheduledTask:
        to = [f"{name}@example.com" for name in ("ada", "bob", "eve")]
        return self.execute({"type": "notify", "params": {"message": "Look.", "to": to, "email": True}})

    @property
    def environment(self) -> Mapping[str, str]:
        return {"SMTP_URL": self.outside.url, "MAIL_FROM": "console@example.com"}

    def _ids(self) -> Counter[str]:
        return Counter(str(mail["Message-ID"])[1:].partition("@")[0] for mail in self.outside.mails)

    def arrived(self) -> int:
        return len(self._ids())

    def recorded(self) -> int:
        return self.count(Mail, Mail.status == "delivered")

    def faults(self) -> Iterator[str]:
        yield from self.messages_wrong(Mail, 3, self._ids())


class PostSending(Sending):
    """One article, published by a person."""

    outside: WordPress
    commits = 12

    @staticmethod
    @contextmanager
    def receiver() -> Iterator[WordPress]:
        with wordpress_stand_in.serving() as wordpress:
            yield wordpress

    def open(self) -> ScheduledTask:
        connect(self.session, self.sector, self.outside, self.box)
        self.content = make_content(self.session, self.sector, html="<p>All.</p>", status="approved")
        return publish_now(self.session, self.content, Actor(None), self.ago)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"OUTBOUND_ALLOW": self.outside.host}

    def arrived(self) -> int:
        return len(self.outside.posts)

    def recorded(self) -> int:
        return self.count(Publication, Publication.post_id.is_not(None), Publication.claim_key.is_(None))

    def faults(self) -> Iterator[str]:
        posts = [*self.outside.posts.values()]
        if [post["status"] for post in posts] != ["publish"]:
            yield f"{len(posts)} posts: {posts}"
        self.session.refresh(self.content)
        addresses = [f"{self.outside.url}/{post['slug']}/" for post in posts]
        if (self.content.status, [self.content.published_url]) != ("published", addresses):
            yield f"{self.content.status} at {self.content.published_url}, posts at {addresses}"
        done = self.count(ActionRun, ActionRun.run_id == self.run.id, ActionRun.status == "done")
        if (self.recorded(), done) != (1, 1):
            yield f"{self.recorded()} recorded, {done} units done"
