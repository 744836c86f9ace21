"""Testing a rule without side effects, and starting it manually."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.triggers import subject_of
from app.business.automation.services.conditions.match_preview import Matches
from app.business.automation.services.history.run_page import find_run
from app.business.automation.services.rules.known_rules import known_rule
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.skipped_records import RunAgain, run_again
from app.business.automation.services.trials.dry_run import dry_run
from app.business.errors import Conflict, Invalid, NotFound
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.diff.edit_conflict import require_records
from app.modules.automation.filters import RunNowForm, TestForm
from app.modules.automation.labels.repairs import repair_text
from app.modules.automation.labels.starts import cost_of_start, shown_total
from app.modules.automation.labels.traces import trace_lines
from app.modules.automation.rule_form.base import offered
from app.modules.automation.views.rules import matches_of, place_of, service
from app.modules.gate.numbers import NO_ROW, row_id
from app.modules.run_actor import actor
from app.modules.sent_once import sent_once
from app.modules.web import see_other

OFFERED = 50
OF_RUN = "of_run"


@allow(Role.OPERATOR, writes=True)
def test(id: int) -> ResponseReturnValue:
    """The checks of a real run, on one record or the first that matches; nothing is stored."""
    rule, session, now = _readable(id), db.session(), datetime.now(UTC)
    form = TestForm()
    chosen = form.chosen().get("record")
    matches = matches_of(rule, now) if rule.record_type else None
    record_id = chosen or (matches.first[0][0] if matches and matches.first else None)
    report, refusal = None, None
    try:
        require_records(rule, [chosen] if chosen else ())
        report = dry_run(session, rule, now, record_id=record_id)
    except Invalid as error:
        refusal = error.message
    session.rollback()
    trace = report["conditions"] if report else {}
    return render_template(
        "pages/automation/test.html",
        rule=rule,
        form=form,
        matches=matches,
        record_id=record_id,
        report=report,
        refusal=refusal,
        labels={entry.key: entry.label for entry in CATALOGUE.values()},
        lines=trace_lines(trace, subject_of(rule.trigger, rule.record_type)) if "result" in trace else [],
    )


@allow(Role.OPERATOR)
def ask(id: int) -> ResponseReturnValue:
    """The choice of records, the price, and the runs left today."""
    rule = _readable(id)
    if rule.archived_at:
        raise Conflict("This rule is archived. Restore it before you run it.")
    now = datetime.now(UTC)
    again = _again(rule, now)
    return _page(rule, _form(rule, _offered(rule), again, now), again, now)


@allow(Role.OPERATOR)
@sent_once
def run(id: int) -> ResponseReturnValue:
    """Open the run."""
    rule, session, now = _readable(id), db.session(), datetime.now(UTC)
    again = _again(rule, now)
    form = _form(rule, _offered(rule), again, now, is_sent=True)
    if not form.validate() or not _is_complete(form, rule):
        return _page(rule, form, again, now), 422
    opened = service.execute(
        session,
        rule,
        actor(),
        now,
        record_ids=_record_ids(form, again),
        even_if_off=bool(form.even_if_off.data),
        max_credits=_total(form),
    )
    session.commit()
    is_paused = current_person().account.paused_at is not None
    said = "It starts when automation is resumed." if is_paused else "Started. This page shows how it goes."
    flash(said, "success")
    return see_other(url_for(".run", id=opened.id))


def _readable(id: int) -> AutomationRule:
    """The rule. Raises Conflict where it needs repair, because neither test nor run is possible."""
    rule = owned_or_404(AutomationRule, id)
    if faults := known_rule(rule).errors:
        raise Conflict(f"{repair_text(faults)} Edit it, then try again.")
    return rule


def _total(form: RunNowForm) -> int | None:
    """The total shown for the chosen records; for ticked ones the price is computed when they start."""
    names = {"matching": "max_credits", OF_RUN: "max_credits_of_run"}
    return shown_total(names[form.how.data]) if form.how.data in names else None


def _offered(rule: AutomationRule) -> Matches | None:
    return matches_of(rule, datetime.now(UTC), OFFERED) if rule.record_type else None


def _again(rule: AutomationRule, now: datetime) -> RunAgain | None:
    """The run in the address whose records are to be run now. Raises NotFound where it is not such a run."""
    if "of_run" not in request.args:
        return None
    number = row_id(request.args["of_run"]) or NO_ROW
    skipped = find_run(db.session(), current_person().scope, number)
    again = run_again(db.session(), skipped, now) if skipped.automation_rule_id == rule.id else None
    if again is None:
        raise NotFound()
    return again


def _record_ids(form: RunNowForm, again: RunAgain | None) -> list[int] | None:
    return again.records if again and form.how.data == OF_RUN else form.record_ids()


def _form(
    rule: AutomationRule,
    matches: Matches | None,
    again: RunAgain | None,
    now: datetime,
    *,
    is_sent: bool = False,
) -> RunNowForm:
    form = RunNowForm(formdata=request.form if is_sent else None)
    if again:
        count = plural(len(again.records), again.record_type)
        cost = cost_of_start(rule, now, record_ids=again.records)
        form.cost_of_run = cost
        form.how.choices = [
            *offered([(OF_RUN, f"The {count} of run {again.run_id} ({cost.money})")]),
            *form.how.choices,
        ]
        form.how.data = form.how.data if is_sent else OF_RUN
    form.records.choices = (
        offered((str(record_id), title) for record_id, title in matches.first) if matches else []
    )
    return form


def _is_complete(form: RunNowForm, rule: AutomationRule) -> bool:
    if form.record_ids() == []:
        form.records.errors = ["Tick at least one record, or choose all that match."]
        return False
    if not rule.is_active and not form.even_if_off.data:
        form.even_if_off.errors = ["Tick this to run it although it is off."]
        return False
    return True


def _page(rule: AutomationRule, form: RunNowForm, again: RunAgain | None, now: datetime) -> str:
    account = current_person().account
    matches: Any = _offered(rule)
    return render_template(
        "pages/automation/run_now.html",
        rule=rule,
        form=form,
        sentence=summary_of(read_definition(rule), place_of(rule)),
        matches=matches,
        again=again,
        cost=cost_of_start(rule, now),
        today=now.astimezone(ZoneInfo(account.timezone)).date(),
    )
