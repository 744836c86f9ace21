"""What the types of the automation leave open (`Any`, `object`, casts, ignores) stays as little as it is, with reasons.

JSON that is not parsed yet is no such place: `rule_parts.Json` is a type that mypy checks.
"""

import ast
import re
from pathlib import Path

APP = Path(__file__).parent.parent / "app"
IGNORED = re.compile(r"# type: ignore")

COLUMN = "A JSON column, whose shape depends on the kind of row."
ROW = "Rows and queries: SQLAlchemy gives their columns by name only."
REPORT = "A result that is put together key by key, ready for JSON."
SENT = "pydantic calls it with whatever was sent or stored."
LIBRARY = "The library's own call leaves it open."
CONTEXT = "What a template or an address is given: each page has keys of its own."
KEPT = "A rule, condition or run as it was kept: an older part of it may be of any shape."
FORM = "wtforms leaves open what its fields hold, and what makes them."
OWN = "Each field, parameter or action has a type of its own."

REASONS: dict[str, tuple[int, str]] = {
    "services/actions/handler.py": (2, OWN),
    "services/actions/templates.py": (1, LIBRARY),
    "services/auditing/counted_columns.py": (1, ROW),
    "services/auditing/credit_sources.py": (2, ROW),
    "services/auditing/total_queries.py": (2, ROW),
    "services/backtest/past_order.py": (2, ROW),
    "services/backtest/past_records.py": (3, ROW),
    "services/calendars/public_holidays.py": (1, LIBRARY),
    "services/catalogue/actions/base.py": (3, OWN),
    "services/catalogue/actions/parameters.py": (1, OWN),
    "services/catalogue/actions/registry.py": (4, SENT),
    "services/catalogue/field_types.py": (2, ROW),
    "services/catalogue/triggers.py": (3, SENT),
    "services/conditions/compiled.py": (2, OWN),
    "services/conditions/nodes.py": (2, OWN),
    "services/conditions/sql_functions.py": (1, LIBRARY),
    "services/draining/plain_runs.py": (1, ROW),
    "services/draining/set_labels.py": (1, ROW),
    "services/draining/set_records.py": (1, ROW),
    "services/history/run_days.py": (3, ROW),
    "services/history/rule_figures.py": (1, ROW),
    "services/history/run_list.py": (1, ROW),
    "services/history/search.py": (2, "Each kind has a model of its own."),
    "services/operations/undo/writing.py": (1, ROW),
    "services/preflight/neighbour_findings.py": (1, ROW),
    "services/rules/definition.py": (3, SENT),
    "services/rules/fields.py": (2, OWN),
    "services/rules/options.py": (1, OWN),
    "services/rules/references.py": (1, ROW),
    "services/schedules/calendar.py": (5, SENT),
    "services/schedules/cron_grammar.py": (1, SENT),
    "services/transfer/yaml_format.py": (9, LIBRARY),
}
PAGES: dict[str, tuple[int, str]] = {
    "api/mcp_tools.py": (2, OWN),
    "api/serializers.py": (5, SENT),
    "audit_lines.py": (1, OWN),
    "diff/actions.py": (4, KEPT),
    "diff/edit_conflict.py": (2, KEPT),
    "diff/rules.py": (3, KEPT),
    "filters.py": (1, FORM),
    "labels/traces.py": (1, KEPT),
    "overview_period.py": (2, LIBRARY),
    "rule_form/actions/form.py": (1, FORM),
    "rule_form/actions/params.py": (2, FORM),
    "rule_form/base.py": (1, KEPT),
    "rule_form/conditions/from_rule.py": (8, KEPT),
    "rule_form/conditions/row.py": (1, FORM),
    "rule_form/conditions/tree.py": (1, FORM),
    "rule_form/option_fields.py": (1, FORM),
    "rule_form/schedule_step.py": (4, KEPT),
    "rule_form/step_table.py": (2, KEPT),
    "rule_form/steps.py": (11, KEPT),
    "run_listing.py": (4, CONTEXT),
    "views/audit.py": (2, CONTEXT),
    "views/back_test.py": (2, CONTEXT),
    "views/bulk_retry.py": (1, CONTEXT),
    "views/calendar.py": (2, CONTEXT),
    "views/history.py": (2, CONTEXT),
    "views/my_work.py": (1, CONTEXT),
    "views/rule_form.py": (1, CONTEXT),
    "views/rules.py": (2, CONTEXT),
    "views/saved_filters.py": (1, CONTEXT),
    "views/search.py": (2, CONTEXT),
    "views/start.py": (1, CONTEXT),
    "views/transfer.py": (1, CONTEXT),
}
"""The same of the pages and calls of automation."""
FOLDERS = {"services": 2, "services/runs": 6, "services/triggering": 0}
"""The most in a folder as a whole, not in those below it: rows, reports and options of runs."""


def left_open(path: Path) -> int:
    text = path.read_text()
    nodes = list(ast.walk(ast.parse(text)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "typing"]
    wide = {name.name for node in imports for name in node.names} & {"Any", "cast"} | {"object"}
    named = sum(isinstance(node, ast.Name) and node.id in wide for node in nodes)
    return named + len(IGNORED.findall(text))


def test_what_types_leave_open_does_not_grow() -> None:
    found = left_open_in("business/automation")
    assert_reasons({file: n for file, n in found.items() if str(Path(file).parent) not in FOLDERS}, REASONS)
    for folder, most in FOLDERS.items():
        counts = {file: count for file, count in found.items() if str(Path(file).parent) == folder and count}
        assert sum(counts.values()) <= most, counts


def test_nor_does_it_in_pages_and_calls() -> None:
    assert_reasons(left_open_in("modules/automation"), PAGES)


def left_open_in(folder: str) -> dict[str, int]:
    root = APP / folder
    return {str(path.relative_to(root)): left_open(path) for path in sorted(root.rglob("*.py"))}


def assert_reasons(found: dict[str, int], reasons: dict[str, tuple[int, str]]) -> None:
    """Each file leaves open at most what it has a reason for, and no reason is left over."""
    more = {}
    for file, count in found.items():
        most, _ = reasons.get(file, (0, ""))
        if count > most:
            more[file] = f"{count}, and {most} have a reason"
    assert not more, "name the type, or give the reason"
    assert reasons.keys() <= found.keys()
