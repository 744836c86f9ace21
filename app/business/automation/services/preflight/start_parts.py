"""The parts of a start: one over all its records, or one for each site where the rule is split by site."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause
from app.business.automation.services.runs.context import RunContext, context_of_start
from app.business.automation.services.runs.record_selection import matching_ids, matching_of
from app.business.automation.services.runs.site_budgets import sites_of
from app.business.planner.models import Site, SiteStatus


@dataclass(frozen=True)
class StartPart:
    """Work with runs of its own.

    offered: records given or found (None: it works on none) · matching: those of them that match now.
    """

    context: RunContext
    offered: list[int] | None = None
    matching: list[int] = field(default_factory=list)


def parts_of_start(
    session: Session, rule: AutomationRule, cause: Cause, now: datetime, record_ids: Sequence[int] | None
) -> list[StartPart]:
    """Parts over the given records, or over all that match and may be taken; at least one part."""
    whole = context_of_start(session, rule, cause, now)
    given = None if record_ids is None else list(dict.fromkeys(record_ids))
    if rule.split_by != "site":
        return [_part(session, whole, given)]
    parts = [
        _part(session, context_of_start(session, rule, cause, now, site), ids)
        for site, ids in _by_site(session, rule, given)
    ]
    if rule.record_type is not None:
        parts = [part for part in parts if part.offered]
    return parts or [_part(session, whole, given)]


def _by_site(
    session: Session, rule: AutomationRule, given: list[int] | None
) -> list[tuple[Site, list[int] | None]]:
    """The sites of the given records; else every active site of the rule's, which looks for its own."""
    query = select(Site).where(Site.account_id == rule.account_id).order_by(Site.id)
    if rule.site_id is not None:
        query = query.where(Site.id == rule.site_id)
    if given is None:
        return [(site, None) for site in session.scalars(query.where(Site.status == SiteStatus.ACTIVE))]
    groups: dict[int, list[int]] = defaultdict(list)
    known = sites_of(session, rule.record_type, given)
    for record_id in given:
        # Records outside the rule's site are given to its runs, which leave them out with a reason.
        if site_id := rule.site_id or known.get(record_id):
            groups[site_id].append(record_id)
    return [(site, groups[site.id]) for site in session.scalars(query) if site.id in groups]


def _part(session: Session, context: RunContext, given: list[int] | None) -> StartPart:
    if context.definition.record_type is None:
        return StartPart(context)
    if given is None:
        found = matching_ids(session, context)
        return StartPart(context, found, found)
    return StartPart(context, given, matching_of(session, context, given))
