"""Findings about ids in a rule: rows that are deleted or belong to another account."""

from collections.abc import Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, explicit_ids
from app.business.automation.services.catalogue.record_models import known_ids
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.references import unknown_references
from app.business.base import AccountOwned
from app.business.outlets.webhook_models import Webhook
from app.business.planner.models import Sector, Site

MOST_NAMED = 3
NAMED: Mapping[str, type[AccountOwned]] = {
    "rule": AutomationRule,
    "site": Site,
    "person": User,
    "webhook": Webhook,
}
"""Kinds of rows that a parameter may reference -> their table."""


def id_findings(session: Session, account_id: int, rule: RuleDefinition) -> Iterator[Finding]:
    """References that this account does not have; rows of other accounts are reported the same way."""
    for name, model, row_id in (("site", Site, rule.site), ("sector", Sector, rule.sector)):
        if row_id is not None and not _is_known(session, model, row_id, account_id):
            yield _gone(f"{name.capitalize()} {row_id} was not found.", name)
    said = {0: rule.model_dump(mode="json")}
    for path, sentences in unknown_references(session, Scope(account_id), said)[0].items():
        if path.startswith("conditions") or ".when" in path:
            yield from (_gone(sentence, path) for sentence in sentences)
    for index, action in enumerate(rule.actions):
        yield from _records(session, account_id, index, action)
        for param, input in CATALOGUE[action.type].inputs.items():
            row_id, named = getattr(action.params, param), NAMED.get(input.names or "")
            if row_id is not None and named and not _is_known(session, named, row_id, account_id):
                yield _gone(
                    f"Action {index + 1}: {input.names} {row_id} was not found.",
                    f"actions[{index}].params.{param}",
                )


def _records(session: Session, account_id: int, index: int, action: Action) -> Iterator[Finding]:
    ids = explicit_ids(action)
    if not ids:
        return
    record_type = CATALOGUE[action.type].takes[0]
    missing = sorted(set(ids) - known_ids(session, record_type, ids, account_id))
    if missing:
        named = ", ".join(map(str, missing[:MOST_NAMED]))
        more = f" and {len(missing) - MOST_NAMED:,} more" if len(missing) > MOST_NAMED else ""
        was = "was" if len(missing) == 1 else "were"
        yield _gone(
            f"Action {index + 1}: {record_type} {named}{more} {was} not found.", f"actions[{index}].params"
        )


def _is_known(session: Session, model: type[AccountOwned], row_id: int, account_id: int) -> bool:
    query = select(model.id).where(model.account_id == account_id, model.id == row_id)
    return session.scalar(query) is not None


def _gone(sentence: str, field: str) -> Finding:
    return Finding("not_found", Level.STOP, sentence, "Choose another, or take it out.", field)
