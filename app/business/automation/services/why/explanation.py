"""Explains one rule and one record: what happened, what would prevent it now, and which change would make it match."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule, RuleRecord, RuleVersion
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, stored_actions
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.rules.known_rules import known_rule
from app.business.automation.services.rules.repair import NEEDS_REPAIR
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.held_records import held_until
from app.business.automation.services.runs.record_claims import begun_before
from app.business.automation.services.runs.record_selection import eligible
from app.business.automation.services.why import reading as why_reading
from app.business.automation.services.why.history import (
    RecordEvent,
    RuleMoment,
    events_of,
    rule_moments,
    version_at,
    was_free,
)
from app.business.automation.services.why.reading import Reading
from app.business.errors import Invalid
from app.business.planner.models import Record, Site, SiteStatus

MOST_RULES = 200
REPAIR = "Its conditions no longer read. Open the rule and repair what is marked."

Verdict = Literal["taken", "waiting", "not_taken", "would"]
Check = dict[str, str]


@dataclass(frozen=True)
class Why:
    """The answer.

    leading: the moment that the headline describes · then: conditions at the newest event that the rule did not take,
    or at the requested moment · now: conditions at present.
    """

    rule: AutomationRule
    verdict: Verdict
    headline: str
    leading: RuleMoment | None
    moments: list[RuleMoment]
    checks: list[Check]
    then: Reading | None
    now: Reading | None
    asked_at: datetime | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def reading(self) -> Reading | None:
        """The reading that answers the question first."""
        return self.then or self.now


def why(
    session: Session,
    rule: AutomationRule,
    record: Record,
    now: datetime,
    *,
    at: datetime | None = None,
    events: Sequence[RecordEvent] | None = None,
) -> Why:
    """`at`: a moment in the past, else all up to now. `record` has the rule's record type."""
    moment = at or now
    known = events_of(session, record, rule.record_type or "", moment) if events is None else events
    found = rule_moments(session, rule, record, known, moment)
    reading, notes = _now(session, rule, record, now)
    checks = present_checks(session, rule, record, now, reading)
    then = _then(session, rule, record, at, found, known)
    stop = next((check["message"] for check in checks if check["result"] == "stop"), None)
    leading = _leading(found, stop)
    return Why(rule, *_said(rule, leading, stop), leading, found, checks, then, reading, at, notes)


def why_each(session: Session, scope: Scope, record: Record, record_type: str, now: datetime) -> list[Why]:
    """For every rule in scope that works on such records; rules with past moments first, newest first."""
    query = select(AutomationRule).where(
        scope.sees(AutomationRule),
        AutomationRule.record_type == record_type,
        AutomationRule.archived_at.is_(None),
    )
    rules = session.scalars(
        query.order_by(AutomationRule.priority, AutomationRule.id).limit(MOST_RULES)
    ).all()
    events = events_of(session, record, record_type, now)
    answers = [why(session, rule, record, now, events=events) for rule in rules]
    return sorted(answers, key=lambda answer: _newest(answer, record), reverse=True)


def _newest(answer: Why, record: Record) -> tuple[bool, datetime]:
    return bool(answer.moments), answer.moments[0].at if answer.moments else record.created_at


def present_checks(
    session: Session, rule: AutomationRule, record: Record, now: datetime, reading: Reading | None
) -> list[Check]:
    """What would prevent the rule from taking the record now, check by check."""
    account, site = session.get_one(Account, rule.account_id), session.get_one(Site, record.site_id)
    in_place = rule.site_id in (None, record.site_id) and rule.sector_id in (None, record.sector_id)
    off = (
        "The rule is archived."
        if rule.archived_at
        else None
        if rule.is_active
        else "The rule is switched off."
    )
    paused = (
        "All automation of the account is paused."
        if account.paused_at
        else f"The site {site.name} is paused."
        if site.status == SiteStatus.PAUSED
        else None
    )
    met = None if reading is None else reading.is_met
    if begun := _begun_by(session, rule, record):
        # The work has changed the record since: it is continued as it is.
        going = f"Run {begun} has begun it; the next run goes on where that one stopped."
        checks = [_check("conditions", None, going), _check("state", None, going)]
    else:
        conditions = None if met else REPAIR if met is None else "It does not match the conditions now."
        checks = [
            _check("conditions", conditions, "It matches the conditions now."),
            _check("state", _unfit(session, rule, record, now), "The first action takes it."),
        ]
    return [
        _check("active", off, "The rule is switched on."),
        _check("account", paused, "The account and the site are active."),
        _check(
            "place",
            None if in_place else "It belongs to another place than the one the rule works on.",
            "It lies where the rule works.",
        ),
        *checks,
        _check("taken", _taken_before(session, rule, record, now), "The rule may take it."),
    ]


def _check(name: str, stop: str | None, passed: str) -> Check:
    return {"gate": name, "result": "stop" if stop else "pass", "message": stop or passed}


def _begun_by(session: Session, rule: AutomationRule, record: Record) -> int | None:
    model = MODELS[rule.record_type or ""]
    clause = begun_before(session, rule.id, rule.record_type, rule.conditions, model)
    if session.scalar(select(model.id).where(model.id == record.id, clause)) is None:
        return None
    row = select(RuleRecord.unfinished_run_id).where(RuleRecord.rule_id == rule.id)
    return session.scalar(
        row.where(RuleRecord.record_type == rule.record_type, RuleRecord.record_id == record.id)
    )


def _unfit(session: Session, rule: AutomationRule, record: Record, now: datetime) -> str | None:
    if known_rule(rule).errors:
        return f"{NEEDS_REPAIR}."
    model = MODELS[rule.record_type or ""]
    clause = eligible(read_definition(rule), now)
    fits, entry = (
        select(model.id).where(model.id == record.id),
        CATALOGUE[stored_actions(rule.actions)[0].type],
    )
    if session.scalar(fits.where(clause)):
        return None
    rests = entry.left_over is not None and session.scalar(fits.where(entry.accepts())) is not None
    return entry.left_over.refusal.sentence if entry.left_over and rests else entry.refusal.sentence


def _taken_before(session: Session, rule: AutomationRule, record: Record, now: datetime) -> str | None:
    row = session.scalar(
        select(RuleRecord).where(
            RuleRecord.rule_id == rule.id,
            RuleRecord.record_type == rule.record_type,
            RuleRecord.record_id == record.id,
        )
    )
    if row is None or row.state == "free":
        return None
    if row.state == "claimed":
        holder, account = (
            session.get_one(ScheduledTask, row.run_id),
            session.get_one(Account, rule.account_id),
        )
        return f"Run {row.run_id} of this rule holds it now. {held_until(holder, account.timezone, now)}"
    # Event runs check nothing else: when an event happens again, the record is taken again.
    return _handled(rule, row, now) if rule.trigger == "schedule" else None


def _handled(rule: AutomationRule, row: RuleRecord, now: datetime) -> str | None:
    if row.state == "set_aside":
        return f"Set aside after three failed runs, the last of them run {row.run_id}. Give it back on the rule's page."
    if rule.repeat == "always" or row.handled_at is None:
        return None
    if rule.repeat == "once":
        return f"The rule takes each record once, and took it in run {row.run_id}."
    until = row.handled_at + timedelta(days=rule.repeat_after_days or 0)
    return (
        f"The rule took it in run {row.run_id} and may again after {until:%d %b %Y}." if until > now else None
    )


def _now(
    session: Session, rule: AutomationRule, record: Record, now: datetime
) -> tuple[Reading | None, list[str]]:
    try:
        return why_reading.read_now(session, rule, record, now), []
    except Invalid as refusal:
        return None, [refusal.message]


def _then(
    session: Session,
    rule: AutomationRule,
    record: Record,
    at: datetime | None,
    found: Sequence[RuleMoment],
    events: Sequence[RecordEvent],
) -> Reading | None:
    """For the requested moment, else for the newest event that the rule did not take; None without data."""
    left = next((item for item in found if item.kind == "not_taken" and (item.event or at)), None)
    moment = at if at else left.at if left else None
    if moment is None:
        return None
    versions = session.scalars(
        select(RuleVersion).where(RuleVersion.rule_id == rule.id).order_by(RuleVersion.version.desc())
    ).all()
    version = next(
        (one for one in versions if left and one.version == left.version), version_at(versions, moment)
    )
    if version is None or version.definition["record_type"] != rule.record_type:
        return None
    run = left.run if left and not at else None
    try:
        return why_reading.read_then(session, rule, record, version, moment, events, run)
    except Invalid:
        return None


def _leading(found: Sequence[RuleMoment], stop: str | None) -> RuleMoment | None:
    """The moment that answers the question; None where nothing has happened."""
    newest = found[0] if found else None
    if newest is None or not (newest.passed_by and was_free(newest.run)):
        return newest
    # Runs that passed the record by explain nothing: an earlier run, or the present obstacle, does.
    before = next((item for item in found if not item.passed_by), None)
    if before and before.kind == "taken":
        return before
    return replace(newest, sentence=stop or newest.sentence)


def _said(rule: AutomationRule, leading: RuleMoment | None, stop: str | None) -> tuple[Verdict, str]:
    if leading:
        return leading.kind, leading.sentence
    if stop:
        return "not_taken", stop
    if rule.trigger == "schedule":
        return "would", "Nothing stands against it: it comes in its turn at the next planned time."
    record = noun(rule.record_type)
    return "would", f"What starts this rule has not happened to this {record}. Run it by hand to take it."
