"""Findings about the texts of actions: rules of earlier releases may use names that cannot be filled in."""

from collections.abc import Iterator

from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.texts import wrong_texts

ADVICE = "Edit the text and save the rule: until then that part of it stays empty."


def text_findings(rule: RuleDefinition) -> Iterator[Finding]:
    """One finding for each text with a name that is not a field of its records (or, without records, of the
    account)."""
    for path, sentence in wrong_texts(rule):
        yield Finding("text_names_no_field", Level.STOP, f"This rule needs repair. {sentence}", ADVICE, path)
