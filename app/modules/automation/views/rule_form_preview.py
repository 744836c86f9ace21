"""Previews in the rule form: records that match now, the next times, the price."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import render_template

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause
from app.business.automation.services.calendars.applied_calendars import RulePlace
from app.business.automation.services.catalogue.field_types import Frame, RuleScope
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN
from app.business.automation.services.catalogue.triggers import subject_of
from app.business.automation.services.conditions.description import describe as describe_conditions
from app.business.automation.services.conditions.match_preview import (
    COUNTED_EXACTLY,
    Matches,
    preview_matches,
)
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.preflight.closed_ahead import (
    FollowedPlace,
    PlaceAhead,
    closed_ahead,
    does_to,
    followed_places,
    most_starts_a_day,
)
from app.business.automation.services.preflight.start_price import unsaved_rule
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.author_scope import ALL_SITES
from app.business.automation.services.rules.checking import shortest_interval
from app.business.automation.services.rules.cost import most_per_run
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.sentence import actions_of, conditions_of, summary_of, when_of
from app.business.automation.services.schedules.calendar import parse_schedule, preview
from app.business.automation.services.schedules.description import describe
from app.business.automation.services.triggering.meanwhile import records_meanwhile
from app.business.errors import Invalid
from app.business.outlets.services.ai_connections import is_connected
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.automation import activation_preview
from app.modules.automation.labels.starts import StartCost, cost_of_start
from app.modules.automation.rule_form.form import RuleForm
from app.modules.automation.rule_form.status_choices import RECORD_WORDS
from app.modules.automation.rule_form.step_table import STEP_OF, STEPS
from app.modules.automation.rule_form.steps import EVERYWHERE, SCHEDULE
from app.modules.display import credits, plural
from app.modules.web import Context

TIMES = 10
WEEK = 7

USUAL_LIMIT = 10
"""Runs a day, before the limits are answered."""


def context(rule_form: RuleForm, step: str, now: datetime) -> Context:
    """The context of this step's preview; empty where it has none."""
    preview = PREVIEWS.get(step)
    return preview(rule_form, now) if preview else {}


def fragment(rule_form: RuleForm, step: str, now: datetime) -> str:
    """The preview alone, for htmx."""
    name = "match_preview" if step == "which" else "schedule_preview"
    return render_template(f"partials/automation/{name}.html", preview=context(rule_form, step, now))


def _matches(rule_form: RuleForm, now: datetime) -> Context:
    data = rule_form.data()
    rule = definition_from(data)
    subject = subject_of(rule_form.trigger, rule.record_type)
    try:
        node = parse_conditions(data["conditions"], record_type=subject) if "conditions" in data else None
        said = describe_conditions(node, subject) if node else "always"
        matches = _matching(rule_form, rule, now, COUNTED_EXACTLY) if rule.record_type else None
        return {"said": said, "matches": matches, "follows_run": subject == FINISHED_RUN}
    except Invalid as refusal:
        return {"refusal": refusal.message}


def _matching(
    rule_form: RuleForm, rule: RuleDefinition, now: datetime, counted_exactly: int | None = None
) -> Matches:
    account = rule_form.account
    if not rule_form.choices.scope(account.id).holds(rule.site):
        raise Invalid({"site": [ALL_SITES]})
    scope = RuleScope(account.id, rule.site, rule.sector, account_zone=account.timezone)
    return preview_matches(
        rule_form.session,
        Frame(scope, now, _zone(rule_form, rule)),
        record_type=rule.record_type or "",
        conditions=rule.conditions,
        counted_exactly=counted_exactly,
        order=rule.order,
    )


def _zone(rule_form: RuleForm, rule: RuleDefinition) -> ZoneInfo:
    site = rule_form.session.get(Site, rule.site) if rule.site else None
    schedule = rule.schedule
    named = schedule.timezone if schedule and "timezone" in schedule.model_fields_set else None
    try:
        return ZoneInfo(named or (site.timezone if site else None) or rule_form.account.timezone)
    except (KeyError, ValueError):
        return ZoneInfo(rule_form.account.timezone)


def so_far(rule_form: RuleForm, step: str) -> Context:
    """What the other steps have answered, in words, and the price of a run; empty while an answer is refused."""
    answered = [info for info in STEPS[:-1] if info.key in rule_form.answers and info.key != step]
    try:
        definition = rule_form.definition
    except Invalid:
        return {}
    words = _answers(rule_form, definition)
    connected = is_connected(db.session(), rule_form.account.id)
    paid = most_per_run(definition, connected=connected) if "do" in rule_form.answers else None
    return {"lines": [(info.title, words[info.title]) for info in answered], "per_run": paid}


def _answers(rule_form: RuleForm, rule: RuleDefinition) -> dict[str, str]:
    """Each answer in words, by step."""
    conditions, together = conditions_of(rule), rule.batching == "batch"
    does = ", then ".join(actions_of(rule))
    what = dict(RECORD_WORDS)[rule.record_type] if rule.record_type else "No records"
    return {
        "Name": rule.name,
        "When": "At planned times" if rule.trigger == SCHEDULE else when_of(rule),
        "Where": _place(rule_form, rule_form.data()) or EVERYWHERE,
        "Which records": f"{what} where {conditions}" if conditions else what,
        "Do what": does[:1].upper() + does[1:],
        "How often": when_of(rule)
        if rule.trigger == SCHEDULE
        else "All together"
        if together
        else "One by one",
        "Limits": f"{plural(rule.max_executions_per_day, 'run')} a day, "
        f"{credits(rule.credit_limit_per_execution)} a run, {plural(rule.record_limit or 0, 'record')} a run",
    }


def _place(rule_form: RuleForm, data: JsonObject) -> str | None:
    sites, sectors = dict(rule_form.choices.sites), dict(rule_form.choices.sectors)
    return sectors.get(str(data.get("sector"))) or sites.get(str(data.get("site")))


def _times(rule_form: RuleForm, now: datetime) -> Context:
    if rule_form.trigger != SCHEDULE:
        return {}
    data = rule_form.data()
    try:
        shortest = shortest_interval(rule_form.session, rule_form.account)
        asked = data["schedule"]
        asked = asked if isinstance(asked, dict) else {}
        schedule = parse_schedule(asked, shortest_interval_minutes=shortest)
    except Invalid as refusal:
        return {"refusal": refusal.message}
    limit = data.get("max_executions_per_day")
    limit = limit if isinstance(limit, int) else USUAL_LIMIT
    is_split = data.get("split_by", "none") != "none"
    site, choice = data.get("site"), str(data.get("on_closed_days", "skip"))
    place = RulePlace(rule_form.account.id, site if isinstance(site, int) else None, choice)
    places = followed_places(rule_form.session, place, schedule, is_split=is_split)
    in_a_day = most_starts_a_day(places, ZoneInfo(rule_form.account.timezone), now, WEEK)
    return {
        "said": describe(schedule),
        "times": preview(schedule, now, TIMES),
        **_closed(places, is_split, now),
        "in_a_day": in_a_day,
        "limit": limit,
        "too_many": in_a_day > limit,
    }


def _closed(
    places: Sequence[FollowedPlace], is_split: bool, now: datetime
) -> dict[str, dict[datetime, str] | list[str]]:
    """What calendars do to these times: by planned time, or in a line for each site of a split rule."""
    found = closed_ahead(places, now, TIMES).places
    if is_split:
        return {"closed_sites": [_closed_site(one) for one in found]}
    return {
        "closed": {
            time.planned_at: "closed day: runs later" if time.start_at else "closed day: left out"
            for one in found
            for time in one.closed
        }
    }


def _closed_site(place: PlaceAhead) -> str:
    first = place.closed[0]
    return f"{place.name} {does_to(place.closed)} of its next {len(place.ahead):,}. First: {first.why}"


def _cost(edited: AutomationRule, now: datetime, came: list[int] | None) -> StartCost | None:
    """The price of a start with all records that match now (existing ones of an event rule, or a manual start), or
    with those in `came`."""
    if edited.record_type is None:
        return None
    cause = Cause.MANUAL if edited.trigger == SCHEDULE else Cause.BACKFILL
    return cost_of_start(edited, now, record_ids=came, cause=cause)


def _came_meanwhile(edited: AutomationRule, now: datetime, saved: AutomationRule | None) -> list[int] | None:
    """Records since the saved rule stopped itself; None where it did not, or is not an event rule."""
    if saved is None or saved.stopped_at is None or SCHEDULE in (edited.trigger, saved.trigger):
        return None
    return records_meanwhile(db.session(), edited, saved.stopped_at, now) if edited.record_type else None


def _check(rule_form: RuleForm, now: datetime) -> Context:
    if open_steps := rule_form.open_steps():
        answers = _answers(rule_form, definition_from(rule_form.data_without(open_steps)))
        return {"open_steps": [STEP_OF[key] for key in open_steps], "answers": answers}
    definition, rule, data = rule_form.definition, rule_form.rule, rule_form.data()
    is_event = definition.trigger != SCHEDULE
    matches = _matching(rule_form, definition, now) if definition.record_type and is_event else None
    edited = unsaved_rule(rule_form.account.id, definition, rule.id if rule else None)
    came = _came_meanwhile(edited, now, rule)
    shown = {
        "data": data,
        "per_run": most_per_run(definition, connected=is_connected(db.session(), rule_form.account.id)),
        "answers": _answers(rule_form, definition),
        "sentence": summary_of(definition, _place(rule_form, data)),
        "matches": matches,
        "came": came,
        "cost": _cost(edited, now, came),
    }
    return shown | activation_preview.context(definition, now, rule) | _times(rule_form, now)


PREVIEWS = {"which": _matches, "often": _times, "check": _check}
