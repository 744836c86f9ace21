"""A site connected to a WordPress of the tests, approved articles, and publishers that die in the middle."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.operations.publish_now import publish_now
from app.business.automation.services.runs.recovery import rescue
from app.business.automation.unit_models import ActionRun
from app.business.events import Origin
from app.business.outlets.site_publisher import Post, PostRequest
from app.business.outlets.wordpress_models import WordPressConnection
from app.business.planner.models import Sector
from app.business.writer.models import Content
from app.business.writer.publication_models import Publication
from app.business.writer.services import publications, publishing
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.wordpress.publisher import WordPressPublisher
from app.settings import Settings
from tests.business.automation.machine import Machine
from tests.factories import NOW, make_account, make_content, make_sector, make_site
from tests.infrastructure.wordpress_stand_in import WordPress
from tests.wordpress.real_site import RealWordPress

OWNER = Actor(None, Role.OWNER)


class Killed(BaseException):
    """The worker's process ends here."""


@dataclass
class Publisher:
    """The product's own, which counts what it is asked.

    dies: so many times after its work, before that is written down · meanwhile: done between the claim and the post.
    """

    own: WordPressPublisher
    dies: int = 0
    meanwhile: Callable[[], None] | None = None
    asked: list[PostRequest] = field(default_factory=list)

    def publish(self, request: PostRequest) -> Post:
        self.asked.append(request)
        if self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        post = self.own.publish(request)
        if self.dies:
            self.dies -= 1
            raise Killed
        return post


def connect(
    session: Session, sector: Sector, wordpress: WordPress | RealWordPress, box: SecretBox, **values: Any
) -> WordPressConnection:
    """Of the sector's site, which publishes publicly at once."""
    defaults = {
        "url": wordpress.url, "username": wordpress.username, "password_sealed": box.seal(wordpress.password),
        "default_status": "publish", "account_id": sector.account_id, "site_id": sector.site_id,
    }  # fmt: skip
    row = WordPressConnection(created_at=NOW, updated_at=NOW, **(defaults | values))
    session.add(row)
    session.commit()
    return row


class World:
    """One site, its WordPress, and a machine that publishes there."""

    def __init__(
        self, session: Session, wordpress: WordPress | RealWordPress, account: Account | None = None
    ) -> None:
        self.session, self.wordpress = session, wordpress
        self.settings = Settings(secret_key="k" * 40, outbound_allow=(wordpress.host,))
        self.publisher = Publisher(WordPressPublisher(self.settings))
        self.account = account or make_account(session)
        self.sector: Sector = make_sector(session, make_site(session, self.account))
        self.connection = self.connect(wordpress)
        self.machine = Machine(session, publisher=self.publisher)
        session.commit()

    def connect(self, wordpress: WordPress | RealWordPress, **values: Any) -> WordPressConnection:
        return connect(self.session, self.sector, wordpress, SecretBox.of(self.settings), **values)

    def sealed(self, password: str) -> str:
        return SecretBox.of(self.settings).seal(password)

    def sign_in(self, wordpress: WordPress | RealWordPress, password: str | None = None) -> None:
        """Connect the site as the user that this WordPress now stands for."""
        self.settings = Settings(secret_key="k" * 40, outbound_allow=(wordpress.host,))
        self.publisher.own = WordPressPublisher(self.settings)
        self.connection.url, self.connection.username = wordpress.url, wordpress.username
        self.connection.password_sealed = self.sealed(password or wordpress.password)
        self.session.commit()

    def request(self) -> PostRequest:
        """What a unit would send for another article."""
        content, origin = self.article(), Origin(account_id=self.account.id, user_id=None)
        wish = publishing.PublishOptions()
        request = publishing.begin(
            self.session, content.id, wish, "unit", origin=origin, now=self.machine.now
        )
        assert isinstance(request, PostRequest)
        self.session.commit()
        return request

    def article(self, **values: Any) -> Content:
        defaults = {"title": "Garden Sheds", "html": "<p>All about sheds.</p>", "status": "approved",
                    "meta_title": "Sheds", "meta_description": "What to know.", "main_keyword": "shed"}  # fmt: skip
        content: Content = make_content(self.session, self.sector, **(defaults | values))
        self.session.commit()
        return content

    def rule(self, **params: Any) -> AutomationRule:
        action = {"type": "publish_content", "params": params}
        options = {"record_type": "content", "to": "approved"}
        return self.machine.make_rule(
            self.account,
            trigger="status_changed",
            trigger_options=options,
            actions=[action],
            repeat="always",
            max_executions_per_day=1000,
        )

    def start(self, rule: AutomationRule, *contents: Content) -> ScheduledTask:
        """Open a run without executing it."""
        service = AutomationService()
        ids = [content.id for content in contents]
        run: ScheduledTask = service.execute(
            self.session, rule, OWNER, self.machine.now, record_ids=ids, even_if_off=True
        )
        self.session.commit()
        return run

    def publish(self, content: Content, **how: Any) -> ScheduledTask:
        """As the button on the article's page does, until all is done."""
        run = publish_now(self.session, content, OWNER, self.machine.now, **how)
        self.session.commit()
        return self.settled(run)

    def settled(self, run: ScheduledTask) -> ScheduledTask:
        """Execute what is due, and what waits for its next try or for another worker to be missed."""
        for _ in range(8):
            try:
                self.machine.settle()
            except Killed:
                self.session.rollback()
            self.session.expire_all()
            if self.session.get_one(ScheduledTask, run.id).status not in (Status.PENDING, Status.RUNNING):
                break
            self.machine.pass_time(seconds=90)
            rescue(self.machine.transaction, self.machine.clock)
        return self.session.get_one(ScheduledTask, run.id, populate_existing=True)

    def receipt(self, run: ScheduledTask) -> ActionRun:
        query = select(ActionRun).where(ActionRun.run_id == run.id)
        return self.session.scalars(query.execution_options(populate_existing=True)).one()

    def publication(self, content: Content) -> Publication:
        found = publications.publication_of(self.session, content)
        assert found is not None
        return found

    @property
    def posts(self) -> list[dict[str, Any]]:
        """Those that are ours."""
        return [post for post in self.wordpress.posts.values() if "igny8:" in post["content"]]

    @property
    def only_post(self) -> dict[str, Any]:
        [post] = self.posts
        return post
