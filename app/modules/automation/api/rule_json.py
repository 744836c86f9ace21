"""Rules as JSON: the row, the figures of its runs, and its sentence."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.business.automation.models import AutomationRule
from app.business.automation.services.history.rule_figures import RuleFigures, rule_figures
from app.business.automation.services.rules.known_rules import (
    REMEMBERED,
    KnownRule,
    ListedRule,
    as_listed,
    faults_of_rules,
)
from app.business.automation.services.rules.listing import rules_waited_for
from app.business.automation.services.rules.repair import repair_sentence
from app.business.planner.models import Sector, Site
from app.business.time_zones import start_of_day
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.api.serializers import RuleShown, RuleWritten


def show_rule(rule: AutomationRule, now: datetime) -> RuleShown:
    """The rule as JSON."""
    return show_rules([as_listed(rule)], now)[0]


def show_rules(rules: Sequence[ListedRule], now: datetime) -> list[RuleShown]:
    """The rules as JSON, with a few queries whatever their number."""
    person = current_person()
    account = person.account
    figures = rule_figures(db.session(), account.id, [rule.id for rule in rules], now)
    others = rules_waited_for(db.session(), person.scope, rules)
    repairs = faults_of_rules(db.session(), account.id, rules)
    sites = _names(Site, {rule.definition.site for rule in rules})
    sectors = _names(Sector, {rule.definition.sector for rule in rules})
    reset_at = start_of_day(now.astimezone(ZoneInfo(account.timezone)).date(), account.timezone)
    shown = []
    for rule in rules:
        said, faults = rule.definition, repairs.get(rule.id)
        place = ": ".join(filter(None, [sites.get(said.site), sectors.get(said.sector)]))
        summary = repair_sentence(faults) if faults else rule.known.summary(place, others)
        shown.append(_show(rule, figures[rule.id], reset_at, summary))
    return shown


def _show(
    rule: ListedRule,
    figures: RuleFigures,
    reset_at: datetime,
    summary: str,
) -> RuleShown:
    own = {
        "id": rule.id,
        "version": rule.version,
        "created_at": rule.created_at,
        "updated_at": rule.updated_at,
        "archived_at": rule.archived_at,
        "last_executed_at": figures.last_executed_at,
        "execution_count_today": figures.runs_today,
        "last_reset_at": reset_at,
        "next_run_at": figures.next_run_at,
        "summary": summary,
    }
    return _written(rule.known).model_copy(update=own)


@lru_cache(maxsize=REMEMBERED)
def _written(known: KnownRule) -> RuleShown:
    """What the rule's author wrote, and nothing else."""
    return RuleShown.model_construct(**RuleWritten.model_validate(known.stored).__dict__)


def _names(model: type[Site] | type[Sector], ids: set[int | None]) -> dict[int | None, str]:
    wanted = ids - {None}
    if not wanted:
        return {}
    query = select(model.id, model.name).where(current_person().scope.sees(model), model.id.in_(wanted))
    return {row.id: row.name for row in db.session.execute(query)}
