"""What becomes of each rule of a file, as people and programs read it."""

from dataclasses import dataclass, replace

from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.fields import OPTIONS
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.transfer.importing import Arrival, Arrivals
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.choices import Choices, load_choices
from app.modules.changes import Change


@dataclass(frozen=True)
class Told:
    """A rule of the file: its sentence, what differs from the one here, and refusals with their place in words."""

    arrival: Arrival
    sentence: str
    changes: list[Change]
    refusals: list[tuple[str, str]]


def told(arrivals: Arrivals) -> list[Told]:
    """In the order of the file."""
    choices = load_choices(db.session(), current_person().scope)
    made = [(str(id), name) for id, name in arrivals.rule_names.items()]
    choices = replace(choices, rules=[*choices.rules, *made])
    return [_told(arrival, choices) for arrival in arrivals.rules]


def _told(arrival: Arrival, choices: Choices) -> Told:
    before, after = arrival.before, arrival.after
    changes = rule_changes(before, after, choices) if before and after else []
    sentence = ""
    if after:
        place = dict(choices.sectors).get(str(after["sector"])) or dict(choices.sites).get(str(after["site"]))
        sentence = summary_of(definition_from(after), place)
    refusals = [(_place(path), text) for path, texts in arrival.errors.items() for text in texts]
    return Told(arrival, sentence, changes, refusals)


def _place(path: str) -> str:
    """The part of the rule that a path lies in."""
    root = path.partition(".")[0].partition("[")[0]
    return OPTIONS[root].label if root in OPTIONS else root
