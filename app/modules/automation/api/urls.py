"""Addresses of the REST resources of automation."""

from flask import Blueprint

from app.modules.automation.api import explanation, operations, preview, rules, runs, transfer

blueprint = Blueprint("automation_api", __name__, url_prefix="/api/automation")

RULES, RULE, RUN = "/rules/", "/rules/<int:id>/", "/scheduled-tasks/<int:id>/"

for method, path, view in (
    ("GET", RULES, rules.list_rules),
    ("POST", RULES, rules.create_rule),
    ("GET", f"{RULES}export/", transfer.export_rules),
    ("POST", f"{RULES}import/", transfer.import_rules),
    ("GET", RULE, rules.get_rule),
    ("PUT", RULE, rules.replace_rule),
    ("PATCH", RULE, rules.change_rule),
    ("DELETE", RULE, rules.archive_rule),
    ("POST", f"{RULE}enable/", rules.enable_rule),
    ("POST", f"{RULE}disable/", rules.disable_rule),
    ("POST", f"{RULE}preflight/", rules.look_over_rule),
    ("POST", f"{RULE}copy/", rules.copy_rule),
    ("POST", f"{RULE}execute/", runs.execute_rule),
    ("POST", f"{RULE}price/", runs.show_price),
    ("GET", f"{RULE}why/", explanation.explain_rule),
    ("POST", f"{RULE}test/", preview.try_rule),
    ("POST", f"{RULE}back-test/", operations.back_test),
    ("POST", "/preview/", preview.show_preview),
    ("GET", "/catalog/", preview.show_catalog),
    ("GET", "/scheduled-tasks/", runs.list_runs),
    ("GET", RUN, runs.get_run),
    ("POST", f"{RUN}retry/", runs.retry_run),
    ("POST", f"{RUN}cancel/", runs.cancel_run),
    ("POST", f"{RUN}go-on/", runs.go_on),
    ("POST", "/scheduled-tasks/retry/", operations.retry_runs),
    ("GET", "/operations/<int:id>/", operations.get_operation),
    ("GET", "/summary/", runs.show_summary),
):
    blueprint.add_url_rule(path, view.__name__, view, methods=[method], strict_slashes=False)
