"""Rules as lists read them: those of their rows, each definition read once, and every change seen at once."""

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.rules import known_rules
from app.business.automation.services.rules.known_rules import (
    LISTED,
    ListedRule,
    as_listed,
    faults_of_rules,
    listed_rules,
)
from app.business.automation.services.rules.references import references_of
from app.business.automation.services.rules.repair import faults_of
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import definition_of, read_definition
from tests.business.automation.run_rows import NOTIFY, make_rule

pytestmark = pytest.mark.both_databases

LABEL = {"type": "update_records", "params": {"labels_add": ["“Größe” & 'more'"]}, "on_error": "continue"}
RULES: list[dict[str, Any]] = [
    {},
    {"name": "Bäume 🌳", "description": "two\nlines", "is_active": False, "mode": "shadow"},
    {
        "trigger": "keyword_added",
        "conditions": {"all": [{"field": "volume", "operator": "gte", "value": 0.5}]},
    },
    {
        "trigger": "schedule",
        "record_type": "keyword",
        "schedule": {"cron": "0 * * * *", "timezone": "Asia/Tokyo"},
        "actions": [LABEL, NOTIFY],
        "repeat": "after_days",
        "repeat_after_days": 3,
        "order": "-volume",
    },
]


@pytest.fixture
def rules(session: Session, account: Account) -> list[AutomationRule]:
    """The last two are not valid any more: one waits for a rule that is gone."""
    found = [make_rule(session, account, **values) for values in RULES]
    waits = {"rule_id": found[0].id, "status": "completed"}
    found += [make_rule(session, account, trigger="run_finished", trigger_options=waits) for _ in range(2)]
    found[-1].trigger_options = waits | {"rule_id": 4_711}
    found[1].actions = [{"type": "no_such_action", "params": {}}]
    session.flush()
    return found


def read(session: Session) -> list[ListedRule]:
    return listed_rules(session, select(*LISTED).order_by(AutomationRule.id))


def test_a_listed_rule_says_what_its_row_says(
    session: Session, account: Account, rules: list[AutomationRule]
) -> None:
    names = {rules[0].id: rules[0].name}
    for listed, rule in zip(read(session), rules, strict=True):
        for one in (listed, as_listed(rule)):
            said, known = read_definition(rule), one.known
            assert (one.id, one.version, one.name, one.archived_at) == (
                rule.id,
                rule.version,
                rule.name,
                None,
            )
            assert (one.created_at, one.updated_at) == (rule.created_at, rule.updated_at)
            assert known.stored == definition_of(rule)
            assert known.definition.model_dump(mode="json") == said.model_dump(mode="json")
            assert known.errors == faults_of(said)
            assert known.references == tuple(references_of(definition_of(rule)))
            if not known.errors:
                assert known.summary("Acme", names) == summary_of(said, "Acme", names)
    broken = faults_of_rules(session, account.id, read(session))
    assert {rule_id: list(paths) for rule_id, paths in broken.items()} == {
        rules[1].id: ["actions[0].type"],
        rules[-1].id: ["trigger_options.rule_id"],
    }


def test_equal_definitions_are_read_once_and_a_change_is_seen_at_once(
    session: Session, rules: list[AutomationRule], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> list[str | None]:
        return [None if one.known.errors else one.known.summary(None, {}) for one in read(session)]

    before = said()
    for name in ("definition_from", "faults_of_stored", "references_of", "sound_summary"):
        monkeypatch.setattr(known_rules, name, lambda *_: pytest.fail("reads a definition again"))
    assert said() == before
    monkeypatch.undo()
    # Past the session and without a new version, as a migration would.
    session.execute(text("UPDATE automation_rule SET mode = 'shadow' WHERE id = :id"), {"id": rules[0].id})
    assert read(session)[0].known.summary(None, {}).startswith("Practice mode")
    # Not flushed yet.
    rules[2].max_executions_per_day = 7
    assert "at most 7 times a day" in read(session)[2].known.summary(None, {})
