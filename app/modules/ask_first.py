"""Confirmation of far-reaching changes of several records: how many, what starts, what cannot be undone.

A page with the consequences and one button, which sends the same form again; so it works without script.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from flask import render_template, request
from sqlalchemy import func, select

from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.triggers import StatusChangedOptions
from app.business.planner.services.record_changes import Kind
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.display import plural

CONFIRMED = "confirmed"
NOT_SENT_AGAIN = ("csrf_token", CONFIRMED)
MOST_NAMED = 3


def is_confirmed(ids: Collection[int] = ()) -> bool:
    """Whether no confirmation is needed: it was given, or the change is about one record that the page shows."""
    return len(ids) == 1 or request.form.get(CONFIRMED) == "1"


def ask(question: str, lines: Sequence[str], button: str, back: str) -> str:
    """The confirmation page, before anything is done."""
    pairs = [(name, text) for name, text in request.form.items(multi=True) if name not in NOT_SENT_AGAIN]
    return render_template(
        "pages/ask_first.html",
        question=question,
        lines=[line for line in lines if line],
        button=button,
        fields=[*pairs, (CONFIRMED, "1")],
        action=request.full_path.rstrip("?"),
        back=back,
    )


def ask_status(kind: Kind, ids: Sequence[int], status: str, verb: str, means: str, back: str) -> str:
    """Confirm a new status of ticked records. verb: `Ignore` · means: what the status means for them."""
    found = _by_status(kind, ids)
    moving = {old: count for old, count in found.items() if old in kind.by_people[status]}
    total = sum(moving.values())
    what = plural(total, kind.name)
    lines = [f"{means}", _left(sum(found.values()) - total), *_cannot_be_undone(kind, moving, status)]
    return ask(f"{verb} {what}?", [*lines, _starts(kind, status)], f"{verb} {what}", back)


def _by_status(kind: Kind, ids: Sequence[int]) -> dict[str, int]:
    model: Any = kind.model
    counted = (
        select(model.status, func.count())
        .where(current_person().scope.sees(model), model.id.in_(ids))
        .group_by(model.status)
    )
    return {row[0]: row[1] for row in db.session.execute(counted)}


def _left(count: int) -> str:
    stay = "stays as it is: its" if count == 1 else "stay as they are: their"
    return f"{count:,} of those you ticked {stay} status does not allow it." if count else ""


def _cannot_be_undone(kind: Kind, moving: Mapping[str, int], status: str) -> list[str]:
    words = dict(choices_of(kind.name, "status"))
    lost = {old: count for old, count in moving.items() if status not in kind.by_people.get(old, ())}
    if not lost:
        return ["You can take this back in the list."]
    return [
        f"{plural(count, kind.name)} {'is' if count == 1 else 'are'} “{words.get(old, old)}” now: "
        "that cannot be given back by hand afterwards."
        for old, count in lost.items()
    ]


def _starts(kind: Kind, status: str) -> str:
    """The rules that start when records get this status."""
    rules = select(AutomationRule.name, AutomationRule.trigger_options).where(
        current_person().scope.sees(AutomationRule),
        AutomationRule.trigger == "status_changed",
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
    )
    names = sorted(
        name
        for name, options in db.session.execute(rules)
        if _is_started_by(StatusChangedOptions.stored(options), kind.name, status)
    )
    if not names:
        return "No rule starts because of it."
    named = ", ".join(f"“{name}”" for name in names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    verb = "starts" if len(names) == 1 else "start"
    return f"{plural(len(names), 'rule')} {verb} on it, as their conditions and limits allow: {named}{more}."


def _is_started_by(options: StatusChangedOptions, record_type: str, status: str) -> bool:
    return options.record_type == record_type and status in (options.statuses or (status,))
