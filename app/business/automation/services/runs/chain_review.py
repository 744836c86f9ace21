"""Long chains of rules: further runs wait until a person has reviewed the chain, then they all continue."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.automation.run_models import RunDetail, ScheduledTask, Status, Waiting
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.waiting import wake_reviewed
from app.business.outlets.services.notifying import Message, notify


def wake(session: Session, ids: Sequence[int]) -> None:
    """A person has reviewed the chain of these runs: they continue, and do not wait for review again."""
    for detail in session.scalars(select(RunDetail).where(RunDetail.run_id.in_(ids))):
        detail.options = detail.options | {"reviewed": True}
    wake_reviewed(session, ids)


def notify_editors(session: Session, context: RunContext) -> None:
    """One notice for the whole chain, linking to the page of one of its runs."""
    notify(
        session,
        context.account.id,
        Message(
            kind=NoticeKind.ATTENTION,
            level="warning",
            title="A long chain of runs waits for you",
            body=f"{context.run.error_message} Look at what started it; then let it go on, or cancel its runs.",
            role=Role.EDITOR,
            key=f"review-{context.run.root_id}",
            rule_id=context.rule.id,
            run_id=context.run.id,
            path=f"/runs/{context.run.id}",
            label="Open the run",
        ),
        context.now,
    )


def waiting_for_review(session: Session, run: ScheduledTask) -> Sequence[ScheduledTask]:
    """All runs of its chain that wait for review; none if the run itself does not wait."""
    if run.waiting_for != Waiting.REVIEW:
        return []
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
