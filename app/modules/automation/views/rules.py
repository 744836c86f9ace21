"""Rules: the list, one rule, switching, archiving."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause
from app.business.automation.services.automation_service import AutomationService
from app.business.automation.services.catalogue.field_types import Frame
from app.business.automation.services.catalogue.record_order import OLDEST, order_words
from app.business.automation.services.conditions.match_preview import Matches, preview_matches
from app.business.automation.services.history.rule_days import DAYS, ends_by_day, latest_ends
from app.business.automation.services.history.rule_figures import rule_figures
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.history.run_list import listed_page
from app.business.automation.services.history.run_page import record_names
from app.business.automation.services.rule_changes.listing import rules_with_waiting
from app.business.automation.services.rule_changes.proposing import save_or_propose
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.known_rules import (
    KnownRule,
    ListedRule,
    as_listed,
    faults_of_rules,
)
from app.business.automation.services.rules.listing import listed_rules_page, rules_waited_for, versions_of
from app.business.automation.services.rules.references import Errors
from app.business.automation.services.rules.sentence import (
    actions_of,
    conditions_of,
    summary_of,
    when_of,
)
from app.business.automation.services.rules.set_aside import free_set_aside, set_aside_of
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.rules.zone import rule_scope, rule_zone
from app.business.automation.services.trials.practice import practice_report
from app.business.automation.services.triggering.meanwhile import records_meanwhile
from app.business.errors import Blocked, Conflict
from app.business.periods import last_days
from app.business.planner.models import Sector, Site
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation import activation_preview
from app.modules.automation.asking_approval import asking_approval, change_to_name, sent_for_approval
from app.modules.automation.existing_records import existing_records
from app.modules.automation.filters import RulesFilter
from app.modules.automation.labels import findings
from app.modules.automation.labels.repairs import repair_text, repairs_of
from app.modules.automation.labels.rule_switch import asks_first
from app.modules.automation.labels.starts import cost_of_start, shown_total
from app.modules.automation.rule_form.choices import load_sites
from app.modules.automation.rule_table import rule_rows
from app.modules.automation.run_table import folded, run_rows
from app.modules.automation.views.rule_days import GridRow, day_line, days_of
from app.modules.run_actor import actor
from app.modules.sent_once import sent_once
from app.modules.web import page_or_partial, see_other

LIMIT = 30
RUNS = 10
VERSIONS = 5
FILTERS = ("state", "trigger", "site", "text")
service = AutomationService()


@allow(Role.VIEWER)
def index() -> ResponseReturnValue:
    """All rules with their recent runs."""
    scope, session, now = current_person().scope, db.session(), datetime.now(UTC)
    sites = load_sites(session, scope)
    form = RulesFilter(sites)
    page = listed_rules_page(
        session, scope, form.chosen_rules(), cursor=request.args.get("cursor"), limit=LIMIT
    )
    names = dict(sites)
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name in FILTERS and value}
    ids = [rule.id for rule in page.rows]
    figures = rule_figures(session, scope.account_id, ids, now)
    others, repairs = (
        rules_waited_for(session, scope, page.rows),
        faults_of_rules(session, scope.account_id, page.rows),
    )
    asks_approval = current_person().account.rule_approval_required
    return page_or_partial(
        "pages/automation/rules.html",
        "partials/automation/rules_table.html",
        form=form,
        kept=kept,
        rules=rule_rows(
            page.rows,
            lambda rule: _sentence(rule, names.get(str(rule.definition.site)), others, repairs),
            figures,
            latest_ends(session, scope, ids),
            {rule.id for rule in page.rows if rule.known.errors},
            rules_with_waiting(session, ids) if asks_approval else (),
            now,
        ),
        next_url=url_for(".rules", cursor=page.next_cursor, **kept) if page.next_cursor else None,
    )


@allow(Role.VIEWER)
def show(id: int) -> ResponseReturnValue:
    """One rule: definition, recent runs, next runs."""
    rule, session, now = owned_or_404(AutomationRule, id), db.session(), datetime.now(UTC)
    place, listed, account = place_of(rule), as_listed(rule), current_person().account
    others = rules_waited_for(session, current_person().scope, [listed])
    runs = listed_page(session, current_person().scope, RunFilters(rules=[rule.id]), None, RUNS, now).rows
    aside, repairs = set_aside_of(session, rule), faults_of_rules(session, rule.account_id, [listed])
    ids = {rule.record_type: [record.record_id for record in aside]} if rule.record_type else {}
    return render_template(
        "pages/automation/rule.html",
        rule=rule,
        sentence=_sentence(listed, place, others, repairs),
        repairs=repairs_of(repairs.get(rule.id, {})),
        asks=asks_first(listed.definition, needs_approval=account.rule_approval_required),
        named_change=change_to_name(rule),
        words=None if listed.known.errors else _words(listed.known, place, others),
        figures=rule_figures(session, rule.account_id, [rule.id], now)[rule.id],
        existing=None if runs or listed.known.errors or repairs else existing_records(rule, now),
        runs=run_rows(folded(runs), now, with_rule=False),
        aside=aside,
        names=record_names(session, rule.account_id, ids),
        check=None if rule.archived_at else findings.of_rule(rule, now),
        days=_last_days(listed, now),
        practice=practice_report(session, rule, now) if rule.mode == "shadow" else None,
        versions=versions_of(session, rule, limit=VERSIONS),
    )


def _last_days(rule: ListedRule, now: datetime) -> GridRow:
    scope, zone = current_person().scope, current_person().account.timezone
    period = last_days(DAYS, zone, now)
    ends = ends_by_day(db.session(), scope, [rule.id], period, zone, now)
    return day_line(rule, ends.get(rule.id, {}), days_of(period.dates))


@allow(Role.EDITOR)
@sent_once
def switch(id: int) -> ResponseReturnValue:
    """On, after the preflight check and the question about existing records; or off."""
    rule, session, now = owned_or_404(AutomationRule, id), db.session(), datetime.now(UTC)
    if request.form.get("on") != "1":
        service.disable(session, rule, actor(), now)
        return _done(rule, f"“{rule.name}” is switched off. What was only planned is withdrawn.")
    activation_preview.keep_ceiling(now, rule)
    backfill = request.form.get("backfill") == "1"
    total = shown_total() if backfill else None

    def enable() -> None:
        service.enable(session, rule, actor(), now, backfill=backfill, max_credits=total)

    try:
        change = save_or_propose(session, rule, actor(), now, enable, request.form.get("note", ""))
    except Blocked as refusal:
        session.rollback()
        return _ask(rule, now), refusal.status
    if change:
        return sent_for_approval(change)
    return _done(rule, f"“{rule.name}” is switched on.")


@allow(Role.EDITOR)
def ask_switch_on(id: int) -> ResponseReturnValue:
    """Findings of the preflight check and the effect on credits; for event rules, whether to run over existing
    records."""
    return _ask(owned_or_404(AutomationRule, id), datetime.now(UTC))


def _ask(rule: AutomationRule, now: datetime) -> str:
    matches = matches_of(rule, now) if rule.record_type and rule.trigger != "schedule" else None
    since = rule.stopped_at if rule.trigger != "schedule" else None
    meanwhile = records_meanwhile(db.session(), rule, since, now) if since and matches else None
    cost = None
    if matches and matches.count:
        cost = cost_of_start(rule, now, record_ids=meanwhile, cause=Cause.BACKFILL)
    ahead = activation_preview.context(definition(rule), now, rule)
    return render_template(
        "pages/automation/switch_on.html",
        rule=rule,
        matches=matches,
        sentence=summary_of(read_definition(rule), place_of(rule)),
        cost=cost,
        came=None if meanwhile is None else len(meanwhile),
        approval=asking_approval(definition(rule), rule) if rule.mode == "live" else None,
        check=activation_preview.without_offered(findings.of_rule(rule, now), ahead),
        **ahead,
    )


@allow(Role.EDITOR)
@sent_once
def take_existing(id: int) -> ResponseReturnValue:
    """Run an event rule that is on over existing records, for at most the credits that the page named."""
    rule, session, now = owned_or_404(AutomationRule, id), db.session(), datetime.now(UTC)
    if not rule.is_active:
        raise Conflict(
            "This rule is switched off. Switch it on, and say there what to do with existing records."
        )
    service.backfill(session, rule, actor(), now, max_credits=shown_total())
    return _done(rule, "Started. Its runs stand below as they go.")


@allow(Role.EDITOR)
def archive(id: int) -> ResponseReturnValue:
    """The rule never runs again; its history stays."""
    rule = owned_or_404(AutomationRule, id)
    service.archive(db.session(), rule, actor(), datetime.now(UTC))
    return _done(rule, f"“{rule.name}” is archived. Its history stays, and you can restore it.")


@allow(Role.EDITOR)
def restore(id: int) -> ResponseReturnValue:
    """Restore it, switched off."""
    rule = owned_or_404(AutomationRule, id)
    service.restore(db.session(), rule, actor(), datetime.now(UTC))
    return _done(rule, f"“{rule.name}” is back, switched off.")


@allow(Role.EDITOR)
def release_set_aside(id: int) -> ResponseReturnValue:
    """Release the records that were set aside."""
    rule, session, now = owned_or_404(AutomationRule, id), db.session(), datetime.now(UTC)
    free_set_aside(session, rule, now)
    return _done(rule, "Given back: the rule may take these records again.")


def place_of(rule: AutomationRule) -> str | None:
    """The name of the rule's site or sector; None for the whole account."""
    session = db.session()
    site = session.get(Site, rule.site_id) if rule.site_id else None
    sector = session.get(Sector, rule.sector_id) if rule.sector_id else None
    return f"{site.name}: {sector.name}" if site and sector else site.name if site else None


def matches_of(rule: AutomationRule, now: datetime, shown: int = 10) -> Matches:
    """The records that the rule's conditions match now."""
    session = db.session()
    return preview_matches(
        session,
        Frame(rule_scope(session, rule), now, rule_zone(session, rule)),
        record_type=rule.record_type or "",
        conditions=rule.conditions,
        shown=shown,
        order=rule.order,
    )


def definition(rule: AutomationRule) -> RuleDefinition:
    return read_definition(rule)


def _words(known: KnownRule, place: str | None, others: Mapping[int, str]) -> tuple[Any, ...]:
    said = known.definition
    order = None if said.order == OLDEST else order_words(said.order, said.record_type)
    return when_of(said, others), place, conditions_of(said), actions_of(said, others), order


def _sentence(
    rule: ListedRule, place: str | None, others: Mapping[int, str], repairs: Mapping[int, Errors]
) -> str:
    faults = repairs.get(rule.id)
    return repair_text(faults) if faults else rule.known.summary(place, others)


def _done(rule: AutomationRule, message: str) -> ResponseReturnValue:
    db.session.commit()
    flash(message, "success")
    return see_other(url_for(".rule", id=rule.id))
