"""The handler that publishes an article: one post for one article, at the site's own WordPress."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.business.automation.run_models import Cause
from app.business.automation.services.actions.built_in_publishing import WISH, read_back_later
from app.business.automation.services.actions.handler import Work
from app.business.automation.services.actions.templates import fill
from app.business.automation.services.calendars.applied_calendars import closed_rules
from app.business.automation.services.catalogue.actions.publish_content import PublishContent
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.unit_receipts import Done, Later, LeftOut, Unit
from app.business.automation.services.schedules.calendar import next_instants
from app.business.errors import Conflict, NotFound
from app.business.language_model import ProviderFault
from app.business.outlets.site_publisher import Post, PostRequest, SitePublisher
from app.business.writer.services import publishing
from app.business.writer.services.publishing import Impossible, PublishOptions
from app.business.writer.services.publishing_days import DayIsFull

NOT_YET = (
    "WordPress has not published it at its time. If that stays so, its own schedule (WP-Cron) is switched off: ask "
    "whoever runs the site, or publish the article on its page."
)
MOST_CLOSED = 50
"""So many planned times are looked at for one on an open day."""
LONGEST_PAUSE = timedelta(days=4)
"""Over a long weekend. A rule that runs more rarely begins a series, which goes on from day to day."""
STATES = {
    "publish": "Published at {url}",
    "draft": "Unpublished in WordPress: a draft",
    "future": "Scheduled in WordPress for {at}",
    "pending": "Waits for review in WordPress",
    "private": "Private in WordPress",
}


class PublishContentWork(Work[PostRequest | Impossible, Post]):
    """Publishes one article."""

    def __init__(self, publisher: SitePublisher) -> None:
        self.publisher = publisher
        self._unsent: set[str] = set()
        """Units whose site refused before anything was written there."""

    def read(
        self, session: Session, context: RunContext, unit: Unit
    ) -> PostRequest | Impossible | LeftOut | Later:
        """The article as the site is to have it."""
        origin = context.origin(unit.step.index, unit.key)
        try:
            options = _options(session, context, unit)
            request = publishing.begin(
                session, unit.record_id, options, unit.key, origin=origin, now=context.now
            )
        except (Conflict, NotFound) as refusal:
            return LeftOut(refusal.message)
        return _on_another_day(session, context, request) if isinstance(request, DayIsFull) else request

    def work(self, request: PostRequest | Impossible, key: str) -> Post:
        if isinstance(request, Impossible):
            raise ProviderFault(request.kind, request.message)
        self._unsent.discard(key)
        try:
            return self.publisher.publish(request)
        except ProviderFault as fault:
            # An earlier try without an answer may have been one with an effect.
            if not (fault.is_passing or fault.may_have_worked or request.unanswered):
                self._unsent.add(key)
            raise

    def save(self, session: Session, context: RunContext, unit: Unit, answer: Post) -> Done | LeftOut:
        """The article's status and address as the site says; left out where its post is left as it is."""
        origin = context.origin(unit.step.index, unit.key)
        try:
            publishing.finish(session, unit.record_id, answer, origin=origin, now=context.now)
        except Conflict as refusal:
            return LeftOut(refusal.message)
        if sentence := publishing.refusal_of(answer):
            return LeftOut(sentence)
        if answer.status == publishing.SCHEDULED and answer.publish_at:
            if answer.request.only_reads and answer.publish_at <= context.now:
                raise ProviderFault("server_error", NOT_YET)
            read_back_later(session, context, unit.record_id, answer.publish_at)
        return Done(
            message=STATES.get(answer.status, "In WordPress: {status}").format(
                url=answer.url, status=answer.status, at=_words(context, answer.publish_at)
            )
        )

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        """Others may publish the article."""
        origin = context.origin(unit.step.index, unit.key)
        is_unsent = unit.key in self._unsent
        publishing.release(session, unit.record_id, unit.key, origin, is_unsent=is_unsent)


def _on_another_day(session: Session, context: RunContext, full: DayIsFull) -> Later:
    """On the site's next day; of a rule that runs on most days, at its next planned time after that day has begun."""
    if planned := _planned_after(session, context, full.until - timedelta(seconds=1)):
        return Later(f"{full.message} It goes on {_words(context, planned)}, in their order.", planned)
    day = full.until.astimezone(full.zone)
    return Later(f"{full.message} It goes on {day:%d %b}, in their order.", full.until)


def _planned_after(session: Session, context: RunContext, at: datetime) -> datetime | None:
    """When the rule is planned next and its calendar is open; None for runs of other causes, and rarer rules."""
    if context.run.cause != Cause.SCHEDULE:
        return None
    times = context.definition.times.in_zone(context.zone.key)
    coming = next_instants(times, at, MOST_CLOSED)
    if not coming or coming[0] > at + LONGEST_PAUSE:
        return None
    closed = closed_rules(session, [context.rule]).of(context.rule, context.run.split_site_id)
    starts = (closed.settle(times, planned).start_at for planned in coming)
    return next((start for start in starts if start), None)


def _options(session: Session, context: RunContext, unit: Unit) -> PublishOptions:
    if by_hand := context.detail.options.get(WISH):
        at = by_hand.get("publish_at")
        return PublishOptions(
            by_hand=True,
            status=by_hand.get("status"),
            overwrite=by_hand.get("overwrite", False),
            publish_at=datetime.fromisoformat(at) if at else None,
            featured_image=by_hand.get("featured_image", ""),
            only_reads=by_hand.get("only_reads", False),
        )
    params: PublishContent = unit.step.params
    days = params.publish_in_days
    return PublishOptions(
        status=params.status,
        unapproved=params.unapproved,
        publish_at=context.run.scheduled_at + timedelta(days=days) if days else None,
        featured_image=_image(session, context, unit, params),
    )


def _image(session: Session, context: RunContext, unit: Unit, params: PublishContent) -> str:
    filled = fill(session, context, params.featured_image or "", unit.record_type, [unit.record_id]).strip()
    return filled if filled.startswith(("https://", "http://")) else ""


def _words(context: RunContext, at: datetime | None) -> str:
    return f"{at.astimezone(context.zone):%-d %b %Y, %H:%M %Z}" if at else "later"
