"""The first steps of an account: a site, keywords, a rule that is on, a first draft."""

from dataclasses import dataclass

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.kept_queries import kept_queries
from app.business.plain_rows import plain_rows
from app.business.planner.models import Keyword, Site
from app.business.writer.models import Content

KEPT = 64
"""Scopes for which a process keeps the query."""


@dataclass(frozen=True)
class FirstSteps:
    """What is done of them."""

    site: bool
    keywords: bool
    rule: bool
    draft: bool

    @property
    def done(self) -> int:
        return sum((self.site, self.keywords, self.rule, self.draft))

    @property
    def is_complete(self) -> bool:
        return all((self.site, self.keywords, self.rule, self.draft))


def first_steps(session: Session, scope: Scope) -> FirstSteps:
    """In one query that looks at one row of each kind."""
    return FirstSteps(*map(bool, plain_rows(session, _first_rows(scope))[0]))


@kept_queries(KEPT)
def _first_rows(scope: Scope) -> Select[bool, bool, bool, bool]:
    rule_on = (AutomationRule.is_active, AutomationRule.archived_at.is_(None))
    return select(
        exists().where(scope.sees(Site)),
        exists().where(scope.sees(Keyword)),
        exists().where(scope.sees(AutomationRule), *rule_on),
        exists().where(scope.sees(Content)),
    )
