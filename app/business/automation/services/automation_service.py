"""Creates, changes, switches and archives rules, and opens runs for people and programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.accounts.services import audit_log
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, is_paid, stored_actions
from app.business.automation.services.catalogue.record_models import known_ids
from app.business.automation.services.preflight.check import require_no_worse, require_ready
from app.business.automation.services.preflight.start import open_backfill, open_start, plan_start
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.automation.services.rules import approval
from app.business.automation.services.rules.checking import checked, taken_name
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.fields import OPTIONS
from app.business.automation.services.rules.naming import free_name, is_taken
from app.business.automation.services.rules.restraint import restrained
from app.business.automation.services.rules.versions import (
    definition_of,
    keep_version,
    read_definition,
    write,
)
from app.business.automation.services.runs.opening import Opening
from app.business.automation.services.runs.waiting import wake_rule
from app.business.automation.services.triggering import rule_switch
from app.business.automation.services.triggering.planning import replan
from app.business.errors import Conflict, Forbidden, Invalid, NotFound, Stale


@dataclass(frozen=True)
class Actor:
    """Who acts: a person in a browser, or a key with its creator's role; `sites`: those it is limited to."""

    user_id: int | None
    role: Role = Role.OWNER
    api_key_id: int | None = None
    sites: frozenset[int] | None = None

    def scope(self, account_id: int) -> Scope:
        return Scope(account_id, self.sites)

    @property
    def cause(self) -> Cause:
        """The cause of runs that this actor starts."""
        return Cause.API if self.api_key_id else Cause.MANUAL


@dataclass(frozen=True)
class Request:
    """An Idempotency-Key, and the fingerprint of the request's body."""

    key: str
    fingerprint: str


class AutomationService:
    """Creates and changes rules, and opens runs. The rule engine executes them."""

    def create_rule(
        self,
        session: Session,
        account: Account,
        data: JsonObject | RuleDefinition,
        actor: Actor,
        now: datetime,
        *,
        origin: JsonObject | None = None,
    ) -> AutomationRule:
        """Create a rule: validated, and planned immediately when it is on. Raises Invalid, Blocked.

        `data`: a definition returned by `checked` in this transaction is not validated again. `origin`: a copy or file,
        for the audit log. Raises ApprovalNeeded where it is on and the account asks for a second person.
        """
        definition = (
            data
            if isinstance(data, RuleDefinition)
            else checked(session, account, data, scope=actor.scope(account.id))
        )
        _check_owner(actor, definition, [])
        if definition.is_active:
            require_ready(session, account, definition, now)
        rule = AutomationRule(
            account_id=account.id, created_by_id=actor.user_id, created_at=now, updated_at=now
        )
        write(rule, definition)
        keep_version(session, rule, now, actor.user_id)
        replan(session, rule, now)
        _note(session, rule, actor, "rule.created", now, origin)
        return rule

    def update_rule(
        self,
        session: Session,
        rule: AutomationRule,
        data: JsonObject | RuleDefinition,
        actor: Actor,
        now: datetime,
        *,
        expected_version: int | None = None,
        origin: JsonObject | None = None,
        approved_author: int | None = None,
    ) -> AutomationRule:
        """Replace the rule's definition by `data` as a new version. Raises Invalid, Stale, Conflict, Blocked.

        `data`: a definition returned by `checked` in this transaction is not validated again. `approved_author`: who
        has written what `actor` approves; without one a change that needs a second person raises ApprovalNeeded.
        """
        _lock(session, rule)
        if rule.archived_at:
            raise Conflict("This rule is archived. Restore it before you change it.")
        if expected_version is not None and expected_version != rule.version:
            raise Stale(
                f"Somebody else saved version {rule.version} meanwhile. Load it, then repeat your change."
            )
        before, actions = definition_of(rule), stored_actions(rule.actions)
        if isinstance(data, RuleDefinition):
            self._write_definition(session, rule, data, now)
        else:
            self._write_change(session, rule, data, actor, now)
        after = definition_of(rule)
        if before == after:
            return rule
        _check_owner(actor, read_definition(rule), actions)
        author = approved_author or actor.user_id
        keep_version(session, rule, now, author, approved=approved_author is not None)
        replan(session, rule, now)
        if any(option.frees and before[name] != after[name] for name, option in OPTIONS.items()):
            wake_rule(session, rule.id)
        _note(session, rule, actor, "rule.changed", now, origin)
        return rule

    def _write_change(
        self, session: Session, rule: AutomationRule, data: JsonObject, actor: Actor, now: datetime
    ) -> None:
        """Validate and write a change; for a rule that is not valid otherwise, a restraining change.

        Raises Invalid, Blocked.
        """
        account = session.get_one(Account, rule.account_id)
        try:
            definition = checked(session, account, data, rule, scope=actor.scope(account.id))
        except Invalid:
            values = restrained(definition_of(rule), data)
            if values is None:
                raise
            _check_free(session, rule, values)
            for name, value in values.items():
                setattr(rule, name, value)
            return
        self._write_definition(session, rule, definition, now)

    def _write_definition(
        self, session: Session, rule: AutomationRule, definition: RuleDefinition, now: datetime
    ) -> None:
        """Write a validated change, if the preflight check has no new objections. Raises Blocked."""
        account = session.get_one(Account, rule.account_id)
        if definition.is_active and not rule.is_active:
            require_ready(session, account, definition, now, rule.id)
            rule_switch.forget_failures(session, rule, now)
        elif definition.is_active:
            before = definition_from(definition_of(rule))
            require_no_worse(session, account, before, definition, now, rule.id)
        write(rule, definition)

    def enable(
        self,
        session: Session,
        rule: AutomationRule,
        actor: Actor,
        now: datetime,
        *,
        backfill: bool,
        max_credits: int | None = None,
    ) -> None:
        """Switch the rule on after a preflight check; with `backfill` also run it over existing records (after an
        automatic stop, only over those since then).

        `max_credits`: the limit for these runs together; by default their present price. Raises Invalid when the rule
        is not valid any more, Blocked when it could never do anything, ApprovalNeeded.
        """
        _lock(session, rule)
        if rule.archived_at:
            raise Conflict("This rule is archived. Restore it before you switch it on.")
        account = session.get_one(Account, rule.account_id)
        definition = checked(session, account, definition_of(rule), rule)
        if not rule.is_active:
            require_ready(session, account, definition, now, rule.id)
        stopped_at = rule.stopped_at
        if rule_switch.switch(session, rule, True, now, actor.user_id):
            _note(session, rule, actor, "rule.enabled", now)
        if backfill:
            self.backfill(session, rule, actor, now, max_credits=max_credits, stopped_at=stopped_at)

    def backfill(
        self,
        session: Session,
        rule: AutomationRule,
        actor: Actor,
        now: datetime,
        *,
        max_credits: int | None = None,
        stopped_at: datetime | None = None,
    ) -> None:
        """Run an active rule over existing records; if it had stopped itself at `stopped_at`, only over those since
        then."""
        opening = Opening(Cause.BACKFILL, now, user_id=actor.user_id, api_key_id=actor.api_key_id)
        open_backfill(session, rule, opening, stopped_at or rule.stopped_at, max_credits)

    def disable(self, session: Session, rule: AutomationRule, actor: Actor, now: datetime) -> None:
        """Switch the rule off; planned runs are withdrawn."""
        _lock(session, rule)
        if rule_switch.switch(session, rule, False, now, actor.user_id):
            _note(session, rule, actor, "rule.disabled", now)

    def archive(self, session: Session, rule: AutomationRule, actor: Actor, now: datetime) -> None:
        """Archive the rule (the product's delete): it never runs again, its history stays."""
        _lock(session, rule)
        if rule.archived_at is None:
            rule.archived_at, rule.is_active = now, False
            keep_version(session, rule, now, actor.user_id)
            replan(session, rule, now)
            _note(session, rule, actor, "rule.archived", now)

    def restore(self, session: Session, rule: AutomationRule, actor: Actor, now: datetime) -> None:
        """Restore an archived rule, switched off; if its name is taken, as “name (2)”."""
        _lock(session, rule)
        if rule.built_in:
            raise Conflict("This rule belongs to the product. There is nothing to restore.")
        if rule.archived_at is not None:
            rule.name = free_name(session, rule.account_id, rule.name, rule.id)
            rule.archived_at = None
            keep_version(session, rule, now, actor.user_id)
            _note(session, rule, actor, "rule.restored", now)

    def execute(
        self,
        session: Session,
        rule: AutomationRule,
        actor: Actor,
        now: datetime,
        *,
        record_ids: list[int] | None = None,
        even_if_off: bool = False,
        max_credits: int | None = None,
        request: Request | None = None,
    ) -> ScheduledTask:
        """Open a run for a person or program; a repeated request returns the run of the first one.

        `max_credits`: the limit for it and its follow-ups; by default the present price. Raises NotFound for ids that
        are not the account's, Forbidden for operators above their limit, Invalid when the Idempotency-Key comes with
        another body, Conflict where a rule that is off would do what no second person has approved.
        """
        if request and (known := _answered(session, rule, request)):
            return known
        if record_ids is not None:
            check_records(session, rule, record_ids)
        if even_if_off:
            approval.require_approved(session, rule, definition_of(rule))
        start = plan_start(session, rule, actor.cause, now, record_ids)
        total = start.price.credits_max if max_credits is None else max_credits
        _check_operator(session, rule, actor, total)
        opening = Opening(
            cause=actor.cause,
            scheduled_at=now,
            user_id=actor.user_id,
            api_key_id=actor.api_key_id,
            request_key=request.key if request else None,
            request_hash=request.fingerprint if request else None,
            options={"even_if_off": True} if even_if_off else {},
        )
        return open_start(session, rule, start, opening, total)


def _check_owner(actor: Actor, definition: RuleDefinition, before: Sequence[Action]) -> None:
    """Raises Invalid where somebody else adds an action that only owners may save."""
    if actor.role == Role.OWNER:
        return
    known = [action.as_json() for action in before]
    for index, action in enumerate(definition.actions):
        entry = CATALOGUE.get(action.type)
        name = entry.needs_owner(action.params) if entry and action.is_readable else None
        if name and action.as_json() not in known:
            raise Invalid({f"actions[{index}].params.{name}": ["Only an owner can choose this."]})


def _check_free(session: Session, rule: AutomationRule, values: Stored) -> None:
    name = str(values.get("name", rule.name))
    if is_taken(session, rule.account_id, name, rule.id):
        raise Invalid({"name": [taken_name(name)]})


def _lock(session: Session, rule: AutomationRule) -> None:
    """Serialises saves: the second of two people sees the first one's version."""
    session.refresh(rule, with_for_update={"key_share": True})


def _note(
    session: Session,
    rule: AutomationRule,
    actor: Actor,
    action: str,
    now: datetime,
    origin: JsonObject | None = None,
) -> None:
    """Audit log entry, in the transaction of the change."""
    who, data = (
        audit_log.AuditActor(actor.user_id, actor.api_key_id),
        {"version": rule.version} | (origin or {}),
    )
    audit_log.record(session, rule.account_id, who, action, rule, data, now)


def _answered(session: Session, rule: AutomationRule, request: Request) -> ScheduledTask | None:
    known = session.scalar(
        select(ScheduledTask).where(
            ScheduledTask.automation_rule_id == rule.id, ScheduledTask.request_key == request.key
        )
    )
    if known is not None and known.request_hash != request.fingerprint:
        raise Invalid({"Idempotency-Key": ["This key came before with another body. Use a new key."]})
    return known


def check_records(session: Session, rule: AutomationRule, record_ids: list[int]) -> None:
    """Raises NotFound for ids that are not the account's, Invalid where the rule works on no records."""
    if rule.record_type is None:
        raise Invalid({"record_ids": ["This rule works on no records. Leave record_ids out."]})
    known = known_ids(session, rule.record_type, record_ids, rule.account_id)
    if len(known) < len(set(record_ids)):
        raise NotFound()


def _check_operator(session: Session, rule: AutomationRule, actor: Actor, total: int) -> None:
    limit = session.get_one(Account, rule.account_id).operator_credit_limit
    if actor.role == Role.OPERATOR and is_paid(stored_actions(rule.actions)) and total > limit:
        raise Forbidden(
            f"This start may cost up to {total:,} credit{'' if total == 1 else 's'} with all that follows; "
            f"operators may start up to {limit:,}. Choose fewer records, or ask an editor to run it."
        )
