"""Import result per rule of a file, for pages and API."""

from dataclasses import dataclass, replace

from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.fields import OPTIONS
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.transfer.importing import FileImport, RuleImport
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.choices import Choices, load_choices
from app.modules.changes import Change


@dataclass(frozen=True)
class ImportPreview:
    """A rule of the file: its sentence, differences from the existing one, and errors with their place in words."""

    rule_import: RuleImport
    sentence: str
    changes: list[Change]
    refusals: list[tuple[str, str]]


def import_preview(file_import: FileImport) -> list[ImportPreview]:
    """In the order of the file."""
    choices = load_choices(db.session(), current_person().scope)
    made = [(str(id), name) for id, name in file_import.rule_names.items()]
    choices = replace(choices, rules=[*choices.rules, *made])
    return [_preview_of(rule_import, choices) for rule_import in file_import.rules]


def _preview_of(rule_import: RuleImport, choices: Choices) -> ImportPreview:
    before, after = rule_import.before, rule_import.after
    changes = rule_changes(before, after, choices) if before and after else []
    sentence = ""
    if after:
        place = dict(choices.sectors).get(str(after["sector"])) or dict(choices.sites).get(str(after["site"]))
        sentence = summary_of(definition_from(after), place)
    refusals = [(_place(path), text) for path, texts in rule_import.errors.items() for text in texts]
    return ImportPreview(rule_import, sentence, changes, refusals)


def _place(path: str) -> str:
    """The label of the field that the path starts with."""
    root = path.partition(".")[0].partition("[")[0]
    return OPTIONS[root].label if root in OPTIONS else root
