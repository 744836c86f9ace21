"""Addresses of the REST resources of automation."""

from flask import Blueprint

from app.modules.automation import api_operations, api_preview, api_rules, api_runs, api_transfer, api_why

blueprint = Blueprint("automation_api", __name__, url_prefix="/api/automation")

RULES, RULE, RUN = "/rules/", "/rules/<int:id>/", "/scheduled-tasks/<int:id>/"

for method, path, view in (
    ("GET", RULES, api_rules.list_rules),
    ("POST", RULES, api_rules.create_rule),
    ("GET", f"{RULES}export/", api_transfer.export_rules),
    ("POST", f"{RULES}import/", api_transfer.import_rules),
    ("GET", RULE, api_rules.get_rule),
    ("PUT", RULE, api_rules.replace_rule),
    ("PATCH", RULE, api_rules.change_rule),
    ("DELETE", RULE, api_rules.archive_rule),
    ("POST", f"{RULE}enable/", api_rules.enable_rule),
    ("POST", f"{RULE}disable/", api_rules.disable_rule),
    ("POST", f"{RULE}preflight/", api_rules.look_over_rule),
    ("POST", f"{RULE}copy/", api_rules.copy_rule),
    ("POST", f"{RULE}execute/", api_runs.execute_rule),
    ("POST", f"{RULE}price/", api_runs.show_price),
    ("GET", f"{RULE}why/", api_why.explain_rule),
    ("POST", f"{RULE}test/", api_preview.try_rule),
    ("POST", f"{RULE}back-test/", api_operations.back_test),
    ("POST", "/preview/", api_preview.show_preview),
    ("GET", "/catalog/", api_preview.show_catalog),
    ("GET", "/scheduled-tasks/", api_runs.list_runs),
    ("GET", RUN, api_runs.get_run),
    ("POST", f"{RUN}retry/", api_runs.retry_run),
    ("POST", f"{RUN}cancel/", api_runs.cancel_run),
    ("POST", f"{RUN}go-on/", api_runs.go_on),
    ("POST", "/scheduled-tasks/retry/", api_operations.retry_runs),
    ("GET", "/operations/<int:id>/", api_operations.get_operation),
    ("GET", "/summary/", api_runs.show_summary),
):
    blueprint.add_url_rule(path, view.__name__, view, methods=[method], strict_slashes=False)
