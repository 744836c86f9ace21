"""Ask a person before the run goes on: the actions after it wait for the answer."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Effects
from app.business.automation.services.catalogue.actions.notify import Recipient, recipients_of, split
from app.business.automation.services.catalogue.actions.parameters import (
    ROLES,
    Input,
    Names,
    Said,
    counted,
    quoted,
)
from app.business.automation.services.catalogue.record_models import RECORD_TYPES

MOST_ASKED = 20
USUAL_ANSWERS = ("Yes", "No")
USUAL_DAYS = 7
MAY_ANSWER = ("operator", "editor", "owner")
"""Roles that act; clients only look."""
THEN = {
    "fail": "The run fails, and a retry asks again",
    "stop": "The run ends there, as if the answer were no",
    "go_on": "The run goes on, as if the answer were yes",
}
THEN_PHRASES = {"stop": "ends there without an answer", "go_on": "goes on without an answer"}


def _known(value: Recipient | list[Recipient]) -> Recipient | list[Recipient]:
    for one in recipients_of(value):
        if isinstance(one, str) and one not in MAY_ANSWER:
            raise ValueError(
                f"“{one[:64]}” is neither a role that may answer ({', '.join(MAY_ANSWER)}) nor the number of a person."
            )
    return value


def _distinct(answers: list[str]) -> list[str]:
    texts = [" ".join(answer.split()) for answer in answers]
    if "" in texts or any("," in text for text in texts):
        raise ValueError("Each answer is a word or a few, without a comma.")
    if len({text.casefold() for text in texts}) < len(texts):
        raise ValueError("The answers must differ.")
    return texts


def _asked(who: Said, _type: str | None, _rules: Names) -> str:
    return " and ".join(
        f"person {one}" if isinstance(one, int) else ROLES.get(one, one) for one in recipients_of(who)
    )


def _answers(answers: Said, _type: str | None, _rules: Names) -> str:
    others = " or ".join(f"“{one}”" for one in answers[1:])
    return f"goes on with “{answers[0]}”{f', ends with {others}' if others else ''}"


class AskPerson(Params):
    who: Annotated[
        Recipient | Annotated[list[Recipient], Field(min_length=1, max_length=MOST_ASKED)],
        BeforeValidator(split),
        AfterValidator(_known),
        Input(
            "Who is asked",
            "Roles (operators, editors, owners) or the numbers of people, separated with commas. One of them answers; "
            "owners always may.",
            names="recipient",
            phrase=_asked,
        ),
    ] = "operator"
    question: Annotated[
        str,
        Field(min_length=1, max_length=2000),
        Input(
            "Question",
            "You can name fields of the records, like {title}: several become a list with their number.",
            template=True,
            several_lines=True,
            phrase=quoted(),
        ),
    ]
    answers: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=40)]],
        Field(min_length=1, max_length=5),
        AfterValidator(_distinct),
        Input(
            "Answers",
            "Separated with commas. With the first one the run goes on; with any other it ends there.",
            phrase=_answers,
        ),
    ] = Field(default_factory=lambda: list(USUAL_ANSWERS))
    after_days: Annotated[
        int, Field(ge=1, le=30), Input("Waits for how many days", phrase=counted("waits {:,} days"))
    ] = USUAL_DAYS
    then: Annotated[
        Literal["fail", "stop", "go_on"],
        Input(
            "If nobody answers",
            words=THEN,
            phrase=lambda value, _type, _rules: THEN_PHRASES.get(value, "fails without an answer"),
        ),
    ] = "fail"


class AskPersonAction(ActionType[AskPerson]):
    """Its unit is left out where the answer ends the run."""

    key = "ask_person"
    label = "Ask a person first"
    explanation = (
        "Asks somebody before the run goes on. It waits without holding credits; with the first answer it "
        "goes on, with any other it ends there."
    )
    icon = "user"
    params = AskPerson
    takes = RECORD_TYPES
    unit_of = "run"
    # Local actions may not wait.
    local = False
    decides = True
    done = "answered"
    may_repeat = True

    def effects(self, params: AskPerson, record_type: str | None) -> Effects:
        return Effects()


ASK_PERSON = AskPersonAction()
