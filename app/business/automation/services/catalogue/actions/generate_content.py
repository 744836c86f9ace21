"""Write the content of tasks."""

from typing import Annotated

from app.business.automation.services.catalogue.actions.base import ActionType, Measure, Params, started
from app.business.automation.services.catalogue.actions.effects import Creates, Effects, StatusChange
from app.business.automation.services.catalogue.actions.eligibility import IneligibilityReason
from app.business.automation.services.catalogue.actions.parameters import Again, Ids, Input, RowId, ids_input
from app.business.events import EventType
from app.business.writer.models import ContentStatus, Task, TaskStatus
from app.business.writer.services.content_service import READY

BRIEF_PRICE = 1
"""Credits of a brief, which is made where there is no AI connection, whatever the length of the article."""
USUAL_WORDS = 1000


class GenerateContent(Params):
    task_ids: Annotated[Ids | None, ids_input("these tasks")] = None
    task_id: Annotated[RowId | None, ids_input("this task")] = None
    again: Again = False
    approve_outline: Annotated[
        bool,
        Input(
            "Ask a person to approve each outline first",
            "The run waits up to 7 days. Without an AI connection there is no outline, and nobody is asked.",
            more=True,
            phrase=lambda _value, _type, _rules: "once a person has approved the outline",
        ),
    ] = False


class GenerateContentAction(ActionType[GenerateContent]):
    key = "generate_content"
    label = "Write the content"
    explanation = (
        "Has the article of each task written. Without a connection to an AI service it makes a short "
        "brief, which is marked as one."
    )
    icon = "file-text"
    params = GenerateContent
    takes = ("task",)
    makes = "content"
    price_text = (
        "1 credit for every 100 words, rounded up; 1 in all for a brief made without an AI connection"
    )
    measure = Measure(
        Task.word_count, USUAL_WORDS, "the shortest article here, of {:,} words,", "ask for fewer words"
    )
    local = False
    asks_model = True
    by_connection = True
    seconds = 1_800
    ids = ("task_id", "task_ids")
    events = ("content_generated", "status_changed")
    statuses = READY
    refusal = IneligibilityReason(
        "It is done, or being written: only tasks that are not ready, queued or failed are written.",
        "is written already, or being written",
        "are written already, or being written",
    )
    done = "written"

    def price(self, params: GenerateContent, amount: int = 1, *, connected: bool = True) -> int:
        """By the number of words requested; without a connection a brief is made, which has one price."""
        return started(amount, 100) if connected else BRIEF_PRICE

    def repeats(self, params: GenerateContent) -> bool:
        return params.again

    def effects(self, params: GenerateContent, record_type: str | None) -> Effects:
        statuses = (TaskStatus.WRITING, TaskStatus.DONE, TaskStatus.FAILED)
        return Effects(
            (Creates(EventType.CONTENT_GENERATED, "content", {"status": ContentStatus.DRAFT}),),
            tuple(StatusChange("task", status) for status in statuses),
            takes=set(READY),
        )


GENERATE_CONTENT = GenerateContentAction()
