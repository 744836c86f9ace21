"""Explains why a run found no record, or too few: the numbers of records excluded by each check."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from sqlalchemy import ColumnElement, and_, case, func, or_, select, true
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.eligibility import IneligibilityReason
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.record_claims import (
    begun_before,
    held_elsewhere,
    not_handled,
    not_set_aside,
)
from app.business.automation.services.runs.record_selection import (
    CHUNK,
    Choice,
    eligible,
    filtering_action,
    meets_conditions,
)

GONE = (
    "is gone, on a paused site, or not where this rule works",
    "are gone, on paused sites, or not where this rule works",
)
NO_MATCH = ("does not match the conditions now", "do not match the conditions now")
HELD = ("is held by another run of this rule", "are held by another run of this rule")
HAD = ("was taken by this rule before", "were taken by this rule before")
SET_ASIDE = ("was set aside after three failed runs", "were set aside after three failed runs")

Words = tuple[str, str]


@dataclass(frozen=True)
class _Counts:
    """there: in the account and in scope · matched: those that meet the conditions, or whose work has begun ·
    accepted: in a state that the action takes, or begun · fit: not left unchanged by it lately · kept: not set aside ·
    new: not taken before · free: held by no other run."""

    there: int = 0
    matched: int = 0
    accepted: int = 0
    fit: int = 0
    kept: int = 0
    new: int = 0
    free: int = 0

    def __add__(self, other: "_Counts") -> "_Counts":
        return _Counts(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


def too_few(session: Session, context: RunContext, choice: Choice, needed: int) -> str:
    """The sentence of a run that was stopped because of too few records."""
    if choice.offered is not None and not choice.matched:
        return _none_of_given(session, context, choice)
    if choice.matched:
        found = context.plural(choice.matched + choice.place.beyond)
        return f"Only {found} can be taken now; this rule waits for at least {needed:,}."
    counts = _counts(session, context, None)
    if not counts.matched:
        conditions = context.definition.conditions
        what = "that matches the conditions now" if conditions else "where this rule works"
        return f"There is no {noun(context.run.record_type)} {what}."
    match = "matches" if counts.matched == 1 else "match"
    found = f"{context.plural(counts.matched)} {match}"
    return f"{found}, but this rule takes none of them: {_listed(_parts(context, counts, counts.matched))}."


def left_out_of_matching(session: Session, context: RunContext) -> str:
    """`Of the 7 clusters that match 3 are left out: 3 have ideas already.` Empty if the rule may take them all."""
    counts = _counts(session, context, None)
    out = counts.matched - counts.free
    if out <= 0:
        return ""
    parts = _listed(_parts(context, counts, counts.matched))
    if counts.matched == 1:
        return f"The 1 {noun(context.run.record_type)} that matches is left out: {parts}."
    verb = "is" if out == 1 else "are"
    return f"Of the {context.plural(counts.matched)} that match {out:,} {verb} left out: {parts}."


def none_matching(context: RunContext, choice: Choice, there: int) -> str:
    """`too_few` for a first run none of whose given records matches. there: those in scope."""
    return _none_of_window(context, choice, _Counts(there))


def _none_of_given(session: Session, context: RunContext, choice: Choice) -> str:
    given, counts = choice.window, _Counts()
    for start in range(0, len(given), CHUNK):
        counts += _counts(session, context, given[start : start + CHUNK])
    return _none_of_window(context, choice, counts)


def _none_of_window(context: RunContext, choice: Choice, counts: _Counts) -> str:
    offered = len(choice.window)
    parts = [(offered - counts.there, GONE), (counts.there - counts.matched, NO_MATCH)]
    left = _parts(context, counts, counts.matched)
    parts = [*(part for part in parts if part[0]), *left]
    if offered == 1:
        return f"This {noun(context.run.record_type)} {parts[0][1][0]}." if parts else "It was not taken."
    if len(parts) == 1:
        return f"All {context.plural(offered)} {parts[0][1][1]}."
    return f"None of the {context.plural(offered)} could be taken: {_listed(parts)}."


def _parts(context: RunContext, counts: _Counts, matched: int) -> list[tuple[int, Words]]:
    first = filtering_action(context.definition)
    refusal = first.refusal if first else IneligibilityReason()
    rest = first.left_over.refusal if first and first.left_over else IneligibilityReason()
    parts = [
        (matched - counts.accepted, (refusal.one, refusal.many)),
        (counts.accepted - counts.fit, (rest.one, rest.many)),
        (counts.fit - counts.kept, SET_ASIDE),
        (counts.kept - counts.new, HAD),
        (counts.new - counts.free, HELD),
    ]
    return [part for part in parts if part[0]]


def _listed(parts: list[tuple[int, Words]]) -> str:
    return ", ".join(f"{count:,} {words[0] if count == 1 else words[1]}" for count, words in parts)


def _counts(session: Session, context: RunContext, ids: Sequence[int] | None) -> _Counts:
    model = MODELS[context.run.record_type or ""]
    steps = _steps(session, context)
    sums = [func.coalesce(func.sum(flag), 0) for flag in _flags(steps)]
    query = select(*sums).select_from(model)
    query = query.where(steps[0]) if ids is None else query.where(model.id.in_(ids))
    return _counts_of(session.execute(query).one())


def _steps(session: Session, context: RunContext) -> list[ColumnElement[bool]]:
    """What is required of a record, one after the other."""
    model, definition = MODELS[context.run.record_type or ""], context.definition
    site_id = context.run.split_site_id or definition.site
    there = in_scope(model, context.account.id, site_id, definition.sector)
    if context.run.from_step:
        return [there]
    begun = begun_before(session, context.rule.id, context.run.record_type, definition.conditions, model)
    first = filtering_action(definition)
    return [
        there,
        or_(meets_conditions(context), begun),
        or_(first.accepts(), begun) if first else true(),
        or_(eligible(definition, context.now), begun),
        not_set_aside(context, model),
        not_handled(context, model),
        model.id.not_in(held_elsewhere(context)),
    ]


def _flags(steps: Sequence[ColumnElement[bool]]) -> list[ColumnElement[int]]:
    """For each step whether a record has come so far: 1 or 0."""
    return [case((and_(*steps[: end + 1]), 1), else_=0) for end in range(len(steps))]


def _counts_of(figures: Sequence[int]) -> _Counts:
    found = list(figures)
    return _Counts(*(found + [found[-1]] * (len(fields(_Counts)) - len(found))))
