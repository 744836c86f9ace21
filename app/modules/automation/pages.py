"""Addresses of the automation pages: dashboard, rules and their form, history, runs, work, notices."""

from flask import Blueprint, g

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.writer.models import TASK_TYPES
from app.modules.automation.help.addresses import help_address
from app.modules.automation.labels.explanations import SOURCES, VERDICTS, verdict
from app.modules.automation.labels.limits import remedy
from app.modules.automation.labels.runs import (
    CAUSES,
    CHECKS,
    REASONS,
    RESULTS,
    STATUSES,
    advice,
    goes_on_later,
    outcome,
    run_state,
)
from app.modules.automation.rules_seen import opens_rule
from app.modules.automation.run_table import COLUMNS
from app.modules.automation.views import (
    audit,
    back_test,
    bulk_retry,
    calendar,
    copies,
    dashboard,
    description,
    help,
    history,
    incidents,
    my_work,
    notices,
    operations,
    pausing,
    practice,
    rule_changes,
    rule_days,
    rule_form,
    rules,
    runs,
    saved_filters,
    search,
    site_calendars,
    start,
    templates,
    transfer,
    undo,
    versions,
    why,
)
from app.modules.automation.views.my_work import awaiting_in_bar

blueprint = Blueprint("automation", __name__)
add = blueprint.add_url_rule

add("/", "dashboard", dashboard.show)
add("/pause-all", "pause_all", pausing.pause_all, methods=["POST"])
add("/resume-all", "resume_all", pausing.resume_all)
add("/resume-all", "resume_all_now", pausing.resume_all_now, methods=["POST"])

add("/rules", "rules", rules.index)
add("/rules/<int:id>", "rule", rules.show)
add("/rules/<int:id>/switch", "ask_switch_on", rules.ask_switch_on)
add("/rules/<int:id>/switch", "switch", rules.switch, methods=["POST"])
add("/rules/<int:id>/existing", "take_existing", rules.take_existing, methods=["POST"])
add("/rules/<int:id>/archive", "archive", rules.archive, methods=["POST"])
add("/rules/<int:id>/restore", "restore", rules.restore, methods=["POST"])
add("/rules/<int:id>/give-back", "release_set_aside", rules.release_set_aside, methods=["POST"])
add("/rules/<int:id>/test", "test", start.test)
add("/rules/<int:id>/run", "ask_run", start.ask)
add("/rules/<int:id>/run", "run_now", start.run, methods=["POST"])
add("/rules/<int:id>/past", "try_past", back_test.ask)
add("/rules/<int:id>/past", "begin_past", back_test.begin, methods=["POST"])
add("/rules/<int:id>/real", "ask_real", practice.ask)
add("/rules/<int:id>/real", "end_practice", practice.end_practice, methods=["POST"])
add("/rules/<int:id>/versions", "versions", versions.index)
add("/rules/<int:id>/versions/<int:number>", "version", versions.show)
add("/rules/<int:id>/versions/<int:number>/restore", "restore_version", versions.restore, methods=["POST"])

add("/rules/changes/<int:id>", "rule_change", rule_changes.show)
add("/rules/changes/<int:id>/approve", "approve_change", rule_changes.approve, methods=["POST"])
add("/rules/changes/<int:id>/send-back", "send_back_change", rule_changes.send_back, methods=["POST"])
add("/rules/changes/<int:id>/withdraw", "withdraw_change", rule_changes.withdraw, methods=["POST"])
add("/rules/changes/<int:id>/anew", "propose_anew", rule_changes.propose_anew, methods=["POST"])

add("/rules/<int:id>/copy", "copy_rule", copies.copy, methods=["POST"])

add("/rules/<int:id>/export", "export_rule", transfer.export_one)
add("/rules/export", "export_rules", transfer.export_all)
add("/rules/import", "import_rules", transfer.choose, methods=["GET", "POST"])
add("/rules/import/<name>", "look_at_import", transfer.look)
add("/rules/import/<name>", "take_import", transfer.take, methods=["POST"])
add("/rules/templates", "templates", templates.index)
add("/rules/templates/<key>", "use_template", templates.use, methods=["POST"])
add("/rules/describe", "describe_rule", description.ask)
add("/rules/describe", "draft_described", description.draft, methods=["POST"])
add("/rules/new", "new_rule", rule_form.new)
add("/rules/new", "begin_rule", rule_form.begin, methods=["POST"])
add("/rules/<int:id>/edit", "edit_rule", rule_form.edit, methods=["POST"])
add("/rules/drafts/<int:id>/past", "try_draft", back_test.ask_draft)
add("/rules/drafts/<int:id>/past", "begin_draft_past", back_test.begin_draft, methods=["POST"])
add("/rules/drafts/<int:id>/<step>", "wizard", rule_form.show)
add("/rules/drafts/<int:id>/<step>", "keep", rule_form.keep, methods=["POST"])
add("/rules/drafts/<int:id>/<step>/preview", "preview", rule_form.preview, methods=["POST"])
add("/rules/drafts/<int:id>/save", "save", rule_form.save, methods=["POST"])
add("/rules/drafts/<int:id>/discard", "discard", rule_form.discard, methods=["POST"])

add("/calendar", "calendar", calendar.show)
add("/sites/<int:id>/calendar", "site_calendar", site_calendars.show)
add("/sites/<int:id>/calendar", "save_site_calendar", site_calendars.save, methods=["POST"])
add("/sites/<int:id>/calendar/remove", "remove_site_calendar", site_calendars.remove, methods=["POST"])
add("/settings/calendar", "account_calendar", site_calendars.show_account)
add("/settings/calendar", "save_account_calendar", site_calendars.save_account, methods=["POST"])
add("/settings/calendar/remove", "remove_account_calendar", site_calendars.remove_account, methods=["POST"])
add("/history", "history", history.show)
add("/history/days", "rule_days", rule_days.show)
add("/history/filters", "save_filter", saved_filters.save, methods=["POST"])
add("/history/filters/<int:id>/remove", "remove_filter", saved_filters.remove, methods=["POST"])
add("/history/columns", "history_columns", history.columns, methods=["POST"])
add("/history/runs.<kind>", "export_runs", history.export)
add("/history/retry", "ask_retry_all", bulk_retry.ask)
add("/history/retry", "retry_all", bulk_retry.begin, methods=["POST"])
add("/runs/<int:id>", "run", runs.show)
add("/runs/<int:id>/retry", "retry", runs.retry, methods=["POST"])
add("/runs/<int:id>/cancel", "cancel", runs.cancel, methods=["POST"])
add("/runs/<int:id>/undo", "ask_undo", undo.ask)
add("/runs/<int:id>/undo", "undo", undo.begin, methods=["POST"])
add("/runs/<int:id>/answer", "answer", runs.answer, methods=["POST"])
add("/runs/<int:id>/go-on", "go_on", runs.go_on, methods=["POST"])
add("/runs/<int:id>/left/<int:credits>", "do_left_over", runs.do_left_over, methods=["POST"])

add("/operations/<int:id>", "operation", operations.show)
add("/operations/<int:id>/cancel", "cancel_operation", operations.cancel, methods=["POST"])

add("/why/<record_type>/<int:id>", "why", why.index)
add("/why/<record_type>/<int:id>/rule/<int:rule_id>", "why_rule", why.show)

add("/search", "search", search.show)
add("/help", "help", help.index)
add("/help/<section>", "help_section", help.show)

add("/audit", "audit", audit.show)
add("/incidents", "incidents", incidents.index)
add("/incidents/<int:id>", "incident", incidents.show)
add("/incidents/<int:id>/mute", "mute_incident", incidents.mute, methods=["POST"])
add("/incidents/<int:id>/unmute", "unmute_incident", incidents.unmute, methods=["POST"])

add("/my-work", "my_work", my_work.show)
add("/my-work/decide", "decide_work", my_work.decide, methods=["POST"])
add("/my-work/take-back", "take_back_decision", my_work.take_back, methods=["POST"])
add("/notices", "notices", notices.show)
add("/notices/read", "read_notices", notices.read_all, methods=["POST"])


def unread_notices() -> int:
    """Unread notice count, for the bar above every page."""
    return awaiting_in_bar().unread if g.get("person") else 0


def menu_counts() -> tuple[tuple[str, int], ...]:
    """What awaits the person behind entries of the menu."""
    return (("automation.my_work", awaiting_in_bar().total),) if g.get("person") else ()


for function in (unread_notices, menu_counts, outcome, goes_on_later, advice):
    blueprint.add_app_template_global(function)
# Globals of the environment, because macros do not see the context.
words = {"CAUSES": CAUSES, "CHECKS": CHECKS, "REASONS": REASONS, "RESULTS": RESULTS}
words |= {"RUN_COLUMNS": COLUMNS, "help_address": help_address}
words |= {"remedy": remedy, "opens_rule": opens_rule, "ACTIONS": CATALOGUE, "TASK_TYPES": TASK_TYPES}
words |= {
    "VERDICTS": VERDICTS,
    "SOURCES": SOURCES,
    "STATUSES": STATUSES,
    "run_state": run_state,
    "verdict": verdict,
}
blueprint.record_once(lambda setup: setup.app.jinja_env.globals.update(words))
