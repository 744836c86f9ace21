"""The sections of help, in their order."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.field_types import Field, FieldType
from app.business.automation.services.catalogue.fields import choices_of, fields_of
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.run_fields import FINISHED_RUN
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.conditions.description import operator_text
from app.business.automation.services.conditions.nodes import OPERATORS, Operator
from app.business.automation.services.rules.fields import OPTIONS
from app.business.automation.services.schedules.presets import PRESETS
from app.business.folding import fold
from app.modules.automation.help import texts
from app.modules.automation.help.entry import HelpSection, HelpTerm, Table
from app.modules.automation.help.truth import truth_tables
from app.modules.automation.labels.runs import ADVICE, REASONS, STATUSES
from app.modules.automation.rule_form.step_table import STEPS
from app.modules.navigation import KEYS

KINDS = {
    FieldType.TEXT: "text",
    FieldType.NUMBER: "number",
    FieldType.BOOLEAN: "yes or no",
    FieldType.CHOICE: "one of a few",
    FieldType.INSTANT: "time",
    FieldType.DAY: "day",
    FieldType.LIST: "list",
    FieldType.REFERENCE: "number (id)",
    FieldType.HANDLED: "time",
}


@cache
def sections() -> tuple[HelpSection, ...]:
    """All of help; the same for everybody."""
    return (
        HelpSection("terms", "Words", "list-details", "What the pages mean.", _entries("term", texts.TERMS)),
        HelpSection(
            "steps",
            "The questions of a rule",
            "list-numbers",
            "Eight short ones; each can be answered again.",
            _steps(),
        ),
        HelpSection(
            "triggers",
            "What starts a rule",
            "player-play",
            "A rule can also be run by hand at any time.",
            _triggers(),
        ),
        HelpSection(
            "schedules",
            "Planned times",
            "calendar",
            "From common times to cron lines, and what happens when clocks change.",
            (*_presets(), *_entries("schedule", texts.SCHEDULE_WORDS)),
        ),
        HelpSection(
            "operators",
            "Conditions",
            "filter",
            "Every condition is true or false, never unknown: a missing field reads as nothing. Texts compare exactly, "
            "unless you tick that upper or lower case does not matter.",
            tuple(_operators()),
            truth_tables(),
        ),
        HelpSection(
            "fields",
            "Fields",
            "tag",
            "What conditions can ask, and what texts may name in braces, like {title}. Fields of what a record was "
            "made from work too: cluster.name of an idea, idea.title of a task.",
            tables=tuple(_fields()),
        ),
        HelpSection(
            "actions",
            "Actions",
            "bolt",
            "From top to bottom, each on what the one before made.",
            tuple(_actions()),
        ),
        HelpSection(
            "options",
            "Options and limits",
            "adjustments",
            "Each has a default that suits most rules.",
            tuple(_options()),
        ),
        HelpSection(
            "statuses",
            "Statuses of records",
            "checklist",
            "Where a keyword, cluster, idea, task or article stands.",
            tuple(_record_statuses()),
        ),
        HelpSection(
            "runs", "How runs end", "history", "What the words in the history mean.", tuple(_run_states())
        ),
        HelpSection(
            "reasons",
            "Why a run was skipped or failed",
            "alert-triangle",
            "And what you can do.",
            tuple(_reasons()),
        ),
        HelpSection(
            "keys",
            "Keys",
            "keyboard",
            "They are switched off under Your settings.",
            tables=tuple(_keys()),
        ),
    )


@cache
def section_keys() -> Mapping[str, str]:
    """The section of each term, by the anchor of the term."""
    return {entry.anchor: section.key for section in sections() for entry in section.entries}


def terms(text: str) -> list[HelpTerm]:
    """The entries with all these words in their names."""
    wanted = fold(text).split()
    entries = (entry for section in sections() for entry in section.entries)
    return [entry for entry in entries if wanted and all(word in fold(entry.title) for word in wanted)]


def _entries(kind: str, said: Iterable[tuple[str, str, str]]) -> tuple[HelpTerm, ...]:
    return tuple(HelpTerm(f"{kind}-{anchor}", title, text) for anchor, title, text in said)


def _steps() -> tuple[HelpTerm, ...]:
    return tuple(
        HelpTerm(
            f"step-{step.key}",
            f"{step.title}: {step.question}",
            f"{step.lead} {texts.STEP_WORDS[step.key]}".strip(),
        )
        for step in STEPS
    )


def _triggers() -> tuple[HelpTerm, ...]:
    return tuple(
        HelpTerm(
            f"trigger-{entry.key}",
            entry.label,
            texts.TRIGGER_WORDS.get(entry.key, ""),
            (("In the API", entry.key),),
        )
        for entry in TRIGGERS.values()
    )


def _presets() -> Iterator[HelpTerm]:
    listed = ", ".join(words.lower() for words in PRESETS.values())
    yield HelpTerm(
        "schedule-presets", "Common times", f"{listed.capitalize()}; once at a certain time; or a cron line."
    )


def _operators() -> Iterator[HelpTerm]:
    for operator in Operator:
        types = [type for type, known in OPERATORS.items() if operator in known]
        labels = dict.fromkeys(operator_text(operator, type) for type in types)
        kinds = ", ".join(dict.fromkeys(KINDS[type] for type in types))
        yield HelpTerm(
            f"operator-{operator}",
            " / ".join(labels),
            texts.OPERATOR_WORDS.get(operator, ""),
            (("For", kinds), ("In the API", operator.value)),
        )


def _fields() -> Iterator[Table]:
    account = fields_of(None)
    for type in RECORD_TYPES:
        own = [field for name, field in fields_of(type).items() if "." not in name and name not in account]
        yield _table(noun(type).capitalize(), own)
    places = ("site.", "sector.", "assignee.")
    yield _table(
        "Site, sector and assignee of a record",
        (field for name, field in fields_of("keyword").items() if name.startswith(places)),
    )
    of_run = [field for name, field in fields_of(FINISHED_RUN).items() if name not in account]
    yield _table("A finished run, for rules that follow one", of_run)
    yield _table("Account and clock, in every rule", account.values())


def _table(title: str, fields: Iterable[Field]) -> Table:
    rows = (
        (
            f"{field.label[:1].upper()}{field.label[1:]}",
            field.name,
            ", ".join(label for _, label in field.choices) or KINDS[field.type],
        )
        for field in fields
    )
    return Table(title, ("Field", "In texts and the API", "What it is"), tuple(rows))


def _actions() -> Iterator[HelpTerm]:
    for key, action in CATALOGUE.items():
        yield HelpTerm(f"action-{key}", action.label, action.explanation, tuple(_action_facts(action)))


def _action_facts(action: AnyAction) -> Iterator[tuple[str, str]]:
    yield "Price", action.price_text[:1].upper() + action.price_text[1:]
    if action.takes:
        yield "Works on", ", ".join(noun(type) for type in action.takes)
    if action.statuses and action.needed:
        labels = dict(choices_of(action.needed, "status"))
        yield "With the status", ", ".join(labels[status] for status in action.statuses)
    if action.makes:
        yield "Makes", noun(action.makes) + (" or task" if action.kind_from else "")
    if action.inputs:
        yield "Asks for", "; ".join(input.label for input in action.inputs.values())
    yield "In the API", action.key


def _options() -> Iterator[HelpTerm]:
    titles = {step.key: step.title for step in STEPS}
    for name, option in OPTIONS.items():
        if option.step in ("name", "when", "where", "do") or name in ("conditions", "schedule"):
            continue
        text = " ".join(filter(None, (option.hint, texts.OPTION_WORDS.get(name, ""))))
        choices = "; ".join(label for _, label in option.choices)
        facts = (("Choices", choices), ("Asked under", titles.get(option.step, "")), ("In the API", name))
        yield HelpTerm(f"option-{name}", option.asked, text, tuple(fact for fact in facts if fact[1]))


def _record_statuses() -> Iterator[HelpTerm]:
    for type, meanings in texts.RECORD_STATUSES.items():
        facts = tuple((label, meanings.get(status, "")) for status, label in choices_of(type, "status"))
        yield HelpTerm(f"status-{type}", noun(type).capitalize(), "", facts)


def _run_states() -> Iterator[HelpTerm]:
    for state, label in STATUSES.items():
        yield HelpTerm(f"run-{state}", label, texts.RUN_STATUSES.get(state, ""))


def _reasons() -> Iterator[HelpTerm]:
    for reason, label in REASONS.items():
        yield HelpTerm(f"reason-{reason}", label, ADVICE.get(reason) or texts.REASON_WORDS.get(reason, ""))


def _keys() -> Iterator[Table]:
    for title, keys in KEYS:
        yield Table(title, ("Key", "What it does"), keys)
