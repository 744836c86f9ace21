"""The dashboard: is all well, what needs a person, what comes, what happened; for clients, what was made for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from app.business.accounts.models import Role
from app.business.automation.record_total_models import PUBLISHED
from app.business.automation.services.auditing.accounting import times_without_run
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.forecast.planned_times import (
    PlannedTime,
    RunPrice,
    next_times,
    run_prices,
)
from app.business.automation.services.history import dashboard as figures
from app.business.automation.services.history.credit_use import CreditUse, Key, credit_use
from app.business.automation.services.history.dashboard import Outcomes
from app.business.automation.services.history.first_steps import FirstSteps, first_steps
from app.business.automation.services.history.glance import Glance, Since, glance
from app.business.automation.services.history.pipeline import pipeline
from app.business.automation.services.history.time_saved import hours_saved
from app.business.automation.services.history.work import TO_CHECK
from app.business.automation.services.reports.morning_line import report_of_today, sentences
from app.business.automation.services.rules.known_rules import RulesRead
from app.business.periods import Period, day_of, last_days, this_month
from app.business.time_zones import start_of_day
from app.business.writer.models import Content, ContentStatus
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.attention import NOTICES, attention
from app.modules.automation.first_draft import first_draft
from app.modules.automation.overview_period import PERIODS, Overview, chosen_overview
from app.modules.automation.rule_form.choices import filter_names
from app.modules.automation.rules_seen import opens_rule
from app.modules.automation.run_listing import run_listing, short_address
from app.modules.automation.views.history import partial
from app.modules.display import day as day_text
from app.modules.display import viewer_zone
from app.modules.navigation import addresses_of
from app.modules.web import Context, htmx

RECENT = 12
COMING = 8
TOP = 6
MADE = 8
SERIES = (
    ("completed", "Completed", "good"),
    ("failed", "Failed", "bad"),
    ("skipped", "Skipped", "quiet"),
    ("practised", "Practised", "info"),
)


class OutcomeBar(NamedTuple):
    """An hour or a day, and the outcomes of its runs, as `Outcomes` has them."""

    label: str
    completed: int
    failed: int
    skipped: int
    practised: int


@dataclass(frozen=True)
class CreditShare:
    """One line of what used credits; share: of the line with most, 0 to 1."""

    name: str
    url: str
    credits: int
    share: float


@dataclass
class Coming:
    """Planned runs of one rule at one time. price: of one of them, none for free ones."""

    time: PlannedTime
    price: RunPrice | None
    places: list[str]

    def takes(self, other: PlannedTime) -> bool:
        """Whether that one starts at the same time for another site."""
        first = self.time
        return (first.rule_id, first.at, first.note) == (other.rule_id, other.at, other.note) and not (
            first.run_id or other.run_id
        )


@allow(Role.VIEWER)
def show() -> ResponseReturnValue:
    """The page; htmx gets the table of runs only."""
    now = datetime.now(UTC)
    if not current_person().can(Role.OPERATOR):
        return render_template("pages/automation/client.html", **_made(chosen_overview(now), now))
    offered = filter_names(db.session(), current_person().scope)
    overview = chosen_overview(now, offered.sites)
    short = short_address()
    if short and not htmx().is_partial:
        return redirect(short)
    runs = run_listing(
        "automation.dashboard", overview.scope, now, limit=RECENT, own=overview.kept, offered=offered
    )
    runs |= {"next_url": None, "all_url": url_for("automation.history", **runs["kept"])}
    if htmx().is_partial:
        return partial(runs, short)
    return render_template("pages/automation/dashboard.html", **_operated(overview, now), **runs)


def _operated(overview: Overview, now: datetime) -> Context:
    """What staff see."""
    session, scope, account = db.session(), overview.scope, current_person().account
    since = overview.period.start if overview.days != "1" else now - timedelta(days=1)
    starts, today = (
        Since(this_month(overview.zone, now).start, since),
        now.astimezone(ZoneInfo(overview.zone)).date(),
    )
    counted = glance(session, scope, current_person().scope, starts, NOTICES, today, now)
    flow, rules = counted.flow, RulesRead(session, account.id)
    outcomes = _outcomes(overview, now)
    totals = Outcomes(*map(sum, zip(*(found for _, found in outcomes), strict=True)))
    used = credit_use(session, scope, overview.period, overview.zone)
    steps = _steps(counted, overview)
    return {
        "overview": overview,
        "periods": PERIODS,
        "steps": steps,
        "draft": first_draft(rules, now) if steps.wants_draft else None,
        "attention": attention(
            rules,
            counted,
            times_without_run(session, account.id, now) + counted.open_events,
            max(since, now - timedelta(days=7)),
        ),
        "morning": _morning(now) if counted.has_report else [],
        "rules": counted.rules,
        "bars": tuple(OutcomeBar(label, *found) for label, found in outcomes),
        "series": SERIES if totals.practised else SERIES[:-1],
        "totals": totals,
        "late": figures.lateness(session, scope, _started(overview, now), overview.zone, now),
        "credits_used": used.total,
        "by_rule": _by_rule(rules, used),
        "by_site": _by_site(used, overview),
        "by_action": _by_action(used),
        "flow": flow,
        "saved": hours_saved(account, flow),
        "out": flow.stage(PUBLISHED).by_rules,
        **_coming(rules, overview, now),
    }


def _steps(counted: Glance, overview: Overview) -> FirstSteps:
    """Of all that the person sees; what a chosen site has done is done."""
    flow, rules = counted.flow, counted.rules
    steps = FirstSteps(
        site=bool(overview.sites),
        keywords=bool(flow.stage("keyword").count),
        rule=bool(rules.active or rules.practice),
        draft=bool(flow.stage("content").count),
    )
    is_told = steps.is_complete or not overview.site
    return steps if is_told else first_steps(db.session(), current_person().scope)


def _started(overview: Overview, now: datetime) -> Period:
    """The days of which the starts are looked at: of the last 24 hours, all of both days."""
    return overview.period if overview.days != "1" else last_days(2, overview.zone, now)


def _morning(now: datetime) -> list[str]:
    person = current_person()
    report = report_of_today(db.session(), person.user, person.account, now)
    return sentences(report.facts) if report and person.scope.sites is None else []


def _outcomes(overview: Overview, now: datetime) -> list[tuple[str, Outcomes]]:
    """Of each hour or day, with its name: at a change of the clocks two hours have the same."""
    session = db.session()
    if overview.days == "1":
        zone = viewer_zone()
        hours = figures.outcomes_by_hour(session, overview.scope, now)
        return [(f"{hour.astimezone(zone):%H:%M}", found) for hour, found in hours.items()]
    days = figures.outcomes_by_day(session, overview.scope, overview.period, overview.zone, now)
    return [(day_text(on), found) for on, found in days.items()]


def _by_rule(rules: RulesRead, used: CreditUse) -> list[CreditShare]:
    ids, url = list(used.by_rule)[:TOP], addresses_of("automation.rule")
    names = {rule.id: rule.name for rule in rules.of(ids)}
    named = {id: (names.get(id, f"Rule {id}"), url(id) if opens_rule(id) else "") for id in ids}
    return _parts(used.by_rule, named)


def _by_site(used: CreditUse, overview: Overview) -> list[CreditShare]:
    names = dict(overview.sites)
    named = {
        id: (names[str(id)], overview.url(site=str(id))) if str(id) in names else ("Several sites", "")
        for id in list(used.by_site)[:TOP]
    }
    return _parts(used.by_site, named)


def _by_action(used: CreditUse) -> list[CreditShare]:
    named = {
        key: (CATALOGUE[key].label if key in CATALOGUE else "Other work", "")
        for key in list(used.by_action)[:TOP]
    }
    return _parts(used.by_action, named)


def _parts(used: Mapping[Key, int], named: Mapping[Key, tuple[str, str]]) -> list[CreditShare]:
    most = max(used.values(), default=1)
    return [CreditShare(*named[id], used[id], used[id] / most) for id in named]


def _coming(rules: RulesRead, overview: Overview, now: datetime) -> Context:
    """The next planned runs of today and tomorrow, each with its price."""
    account = current_person().account
    tomorrow = day_of(now, overview.zone) + timedelta(days=1)
    until = start_of_day(tomorrow + timedelta(days=1), overview.zone)
    times: Sequence[PlannedTime] = next_times(rules, overview.scope, now, until, COMING)
    prices: Mapping[int, RunPrice] = run_prices(rules, account, (time.rule_id for time in times), now)
    names = dict(overview.sites)
    coming = list[Coming]()
    for time in times:
        if not coming or not coming[-1].takes(time):
            coming.append(Coming(time, prices.get(time.rule_id), []))
        coming[-1].places.append(names.get(str(time.site_id), ""))
    return {"coming": coming, "tomorrow": tomorrow}


def _made(overview: Overview, now: datetime) -> Context:
    """What a client sees: what was made this month, what is out, and what waits for approval."""
    session, scope = db.session(), overview.scope
    month = this_month(overview.zone, now)
    newest = select(Content).where(scope.sees(Content))
    # A brief is a plan for whoever writes the article: it is not published, and nobody approves it here.
    waiting = newest.where(Content.status.in_(TO_CHECK), Content.outline.is_(False))
    out = newest.where(Content.status == ContentStatus.PUBLISHED, Content.status_since >= month.start)
    made = newest.where(Content.created_at >= month.start, Content.status.not_in(TO_CHECK))
    return {
        "overview": overview,
        "month": month.dates[0],
        "flow": pipeline(session, scope, month.start, month.start),
        "waiting": session.scalars(waiting.order_by(Content.status_since).limit(MADE)).all(),
        "to_approve": session.scalar(select(func.count()).select_from(waiting.subquery())),
        "published": session.scalars(out.order_by(Content.status_since.desc()).limit(MADE)).all(),
        "made": session.scalars(
            made.where(Content.status != ContentStatus.PUBLISHED).order_by(Content.id.desc()).limit(MADE)
        ).all(),
    }
