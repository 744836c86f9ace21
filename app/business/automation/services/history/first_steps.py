"""The first steps of an account: a site, keywords, a rule that is on, a first draft."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import made_by
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.rules.known_rules import ListedRule
from app.business.kept_queries import kept_queries
from app.business.plain_rows import plain_rows
from app.business.planner.models import Keyword, Site
from app.business.writer.models import Content

KEPT = 64
"""Scopes for which a process keeps the query."""
PIPELINE = ("keyword", "cluster", "idea", "task", "content")
"""What becomes of a keyword, one after the other."""


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
    def wants_draft(self) -> bool:
        """Whether only the draft is missing."""
        return self.site and self.keywords and self.rule and not self.draft

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


@dataclass(frozen=True)
class StageReached:
    """How far the pipeline has come. taken: the last kind of records that are there · made: the kind after it."""

    taken: str
    made: str

    @property
    def number(self) -> int:
        """Of `taken` in the pipeline, from 1."""
        return PIPELINE.index(self.taken) + 1


def stage_reached(session: Session, scope: Scope) -> StageReached:
    """Before the first draft: in one query that looks at one row of each kind."""
    between = PIPELINE[1:-1]
    query = select(*(exists().where(scope.sees(MODELS[kind])) for kind in between))
    there = [kind for kind, is_there in zip(between, session.execute(query).one(), strict=True) if is_there]
    taken = there[-1] if there else PIPELINE[0]
    return StageReached(taken, PIPELINE[PIPELINE.index(taken) + 1])


def rule_for(stage: StageReached, rules: Sequence[ListedRule]) -> ListedRule | None:
    """The first of these rules that makes what comes next, one that only practises after all others."""
    makers = [rule for rule in rules if stage.made in _made_by(rule)]
    return min(makers, key=lambda rule: rule.definition.mode == "shadow", default=None)


def _made_by(rule: ListedRule) -> set[str | None]:
    return {made_by(action) for action in rule.definition.actions if action.is_readable}
