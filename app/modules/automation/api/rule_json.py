"""Rules as JSON: the row, the figures of its runs, and its sentence."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.business.automation.models import AutomationRule
from app.business.automation.services.history.rule_figures import RuleFigures, rule_figures
from app.business.automation.services.rules.listing import rules_waited_for
from app.business.automation.services.rules.repair import faults_of_rules, repair_sentence
from app.business.automation.services.rules.sentence import sound_summary
from app.business.automation.services.rules.versions import read_definition
from app.business.planner.models import Sector, Site
from app.business.time_zones import start_of_day
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.api.serializers import RuleShown


def show_rule(rule: AutomationRule, now: datetime) -> RuleShown:
    """The rule as JSON."""
    return show_rules([rule], now)[0]


def show_rules(rules: Sequence[AutomationRule], now: datetime) -> list[RuleShown]:
    """The rules as JSON, with a few queries whatever their number."""
    person = current_person()
    account = person.account
    figures = rule_figures(db.session(), account.id, [rule.id for rule in rules], now)
    others = rules_waited_for(db.session(), person.scope, rules)
    repairs = faults_of_rules(db.session(), account.id, rules)
    sites = _names(Site, {rule.site_id for rule in rules})
    sectors = _names(Sector, {rule.sector_id for rule in rules})
    reset_at = start_of_day(now.astimezone(ZoneInfo(account.timezone)).date(), account.timezone)
    shown = []
    for rule in rules:
        place = ": ".join(filter(None, [sites.get(rule.site_id), sectors.get(rule.sector_id)]))
        faults = repairs.get(rule.id)
        summary = repair_sentence(faults) if faults else sound_summary(read_definition(rule), place, others)
        shown.append(_show(rule, figures[rule.id], reset_at, summary))
    return shown


def _show(
    rule: AutomationRule,
    figures: RuleFigures,
    reset_at: datetime,
    summary: str,
) -> RuleShown:
    derived = {
        "last_executed_at": figures.last_executed_at,
        "execution_count_today": figures.runs_today,
        "last_reset_at": reset_at,
        "next_run_at": figures.next_run_at,
        "summary": summary,
    }
    return RuleShown.model_validate(rule).model_copy(update=derived)


def _names(model: type[Site] | type[Sector], ids: set[int | None]) -> dict[int | None, str]:
    wanted = ids - {None}
    if not wanted:
        return {}
    query = select(model.id, model.name).where(current_person().scope.sees(model), model.id.in_(wanted))
    return {row.id: row.name for row in db.session.execute(query)}
