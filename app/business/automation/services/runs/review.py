"""Chains of rules that grew long: their further runs wait until a person has looked, and then go on together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role
from app.business.accounts.services.notices import add_notice
from app.business.automation.models import RuleVersion
from app.business.automation.run_models import RunDetail, ScheduledTask, Status, Waiting
from app.business.automation.services.rules.rule_cost import about_credits
from app.business.automation.services.rules.rule_definition import definition_from
from app.business.automation.services.runs.run_context import RunContext
from app.business.automation.services.runs.waiting import wake_reviewed
from app.business.errors import Conflict


@dataclass(frozen=True)
class Review:
    """What a person decides on: how many runs of the chain wait, and the most they may cost, in credits."""

    runs: int
    most: int


def review_of(session: Session, run: ScheduledTask) -> Review | None:
    """The decision this run waits for; None when it waits for none."""
    if run.waiting_for != Waiting.REVIEW:
        return None
    waiting = _waiting(session, run)
    versions = Counter((other.automation_rule_id, other.rule_version) for other in waiting)
    most = 0
    for (rule_id, version), runs in versions.items():
        said = RuleVersion.rule_id == rule_id, RuleVersion.version == version
        definition = definition_from(session.scalars(select(RuleVersion.definition).where(*said)).one())
        # An article may be longer than usual: only the limit of a run bounds what it costs.
        if about_credits(definition, 1):
            most += runs * definition.credit_limit_per_execution
    return Review(len(waiting), most)


def go_on(session: Session, run: ScheduledTask) -> int:
    """A person has looked at the chain: all its runs that wait for that go on. Gives how many. Raises Conflict."""
    if run.waiting_for != Waiting.REVIEW:
        raise Conflict("This run does not wait for a person.")
    ids = [other.id for other in _waiting(session, run)]
    for detail in session.scalars(select(RunDetail).where(RunDetail.run_id.in_(ids))):
        detail.options = detail.options | {"reviewed": True}
    wake_reviewed(session, ids)
    return len(ids)


def tell_editors(session: Session, context: RunContext) -> None:
    """One notice for the whole chain, on the page of whose runs it is decided."""
    add_notice(
        session,
        account_id=context.account.id,
        level="warning",
        title="A long chain of runs waits for you",
        body=f"{context.run.error_message} Look at what started it; then let it go on, or cancel its runs.",
        role=Role.EDITOR,
        key=f"review-{context.run.root_id}",
        rule_id=context.rule.id,
        run_id=context.run.id,
        now=context.now,
    )


def _waiting(session: Session, run: ScheduledTask) -> Sequence[ScheduledTask]:
    same_chain = ScheduledTask.root_id == run.root_id if run.root_id else ScheduledTask.id == run.id
    return session.scalars(
        select(ScheduledTask)
        .where(
            ScheduledTask.account_id == run.account_id,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for == Waiting.REVIEW,
            same_chain,
        )
        .order_by(ScheduledTask.id)
    ).all()
