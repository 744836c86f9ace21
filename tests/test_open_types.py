"""What the types of the automation leave open (`Any`, `object`, casts, ignores) stays as little as it is, with reasons.

JSON that is not parsed yet is no such place: `rule_parts.Json` is a type that mypy checks.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent / "app/business/automation"
IGNORED = re.compile(r"# type: ignore")

COLUMN = "A JSON column, whose shape depends on the kind of row."
ROW = "Rows and queries: SQLAlchemy gives their columns by name only."
REPORT = "A result that is put together key by key, ready for JSON."
SENT = "pydantic calls it with whatever was sent or stored."
LIBRARY = "The library's own call leaves it open."
OWN = "Each field, parameter or action has a type of its own."

REASONS: dict[str, tuple[int, str]] = {
    "calendar_models.py": (1, COLUMN),
    "models.py": (2, COLUMN),
    "operation_models.py": (2, COLUMN),
    "report_models.py": (1, COLUMN),
    "run_models.py": (7, COLUMN),
    "services/actions/handler.py": (2, OWN),
    "services/actions/templates.py": (1, LIBRARY),
    "services/auditing/accounting.py": (4, ROW),
    "services/auditing/invariants.py": (2, LIBRARY),
    "services/auditing/total_queries.py": (2, ROW),
    "services/backtest/back_test.py": (7, REPORT),
    "services/backtest/event_source.py": (2, ROW),
    "services/backtest/past_facts.py": (1, ROW),
    "services/backtest/past_order.py": (3, ROW),
    "services/backtest/past_records.py": (3, ROW),
    "services/backtest/schedule_source.py": (1, ROW),
    "services/calendars/public_holidays.py": (1, LIBRARY),
    "services/calendars/working_calendar.py": (4, SENT),
    "services/catalogue/actions/base.py": (3, OWN),
    "services/catalogue/actions/parameters.py": (1, OWN),
    "services/catalogue/actions/registry.py": (4, SENT),
    "services/catalogue/field_types.py": (2, ROW),
    "services/catalogue/triggers.py": (3, SENT),
    "services/conditions/nodes.py": (2, OWN),
    "services/conditions/sql_functions.py": (1, LIBRARY),
    "services/draining/set_execution.py": (4, ROW),
    "services/draining/set_records.py": (1, ROW),
    "services/draining/set_rows.py": (8, ROW),
    "services/forecast/chain_spending.py": (2, ROW),
    "services/history/credit_days.py": (5, ROW),
    "services/history/run_attention.py": (1, ROW),
    "services/history/run_days.py": (2, ROW),
    "services/history/run_list.py": (9, ROW),
    "services/history/run_page.py": (4, REPORT),
    "services/history/run_timeline.py": (2, ROW),
    "services/history/search.py": (2, "Each kind has a model of its own."),
    "services/operations/bulk_retry.py": (4, ROW),
    "services/operations/keyword_import.py": (1, REPORT),
    "services/operations/lifecycle.py": (10, REPORT),
    "services/operations/retry_price.py": (4, ROW),
    "services/operations/undo/footprint.py": (3, ROW),
    "services/operations/undo/verdicts.py": (1, ROW),
    "services/operations/undo/operation.py": (2, REPORT),
    "services/operations/undo/writing.py": (5, ROW),
    "services/preflight/neighbour_findings.py": (1, ROW),
    "services/preflight/reference_findings.py": (2, ROW),
    "services/reports/morning_line.py": (3, REPORT),
    "services/rules/definition.py": (5, SENT),
    "services/rules/fields.py": (2, OWN),
    "services/rules/listing.py": (1, ROW),
    "services/rules/options.py": (2, OWN),
    "services/rules/references.py": (1, ROW),
    "services/schedules/calendar.py": (5, SENT),
    "services/schedules/cron_grammar.py": (1, SENT),
    "services/transfer/names.py": (1, ROW),
    "services/transfer/yaml_format.py": (9, LIBRARY),
    "services/trials/dry_run.py": (8, REPORT),
    "services/trials/practice.py": (4, REPORT),
    "services/why/change_text.py": (2, OWN),
}
FOLDERS = {"services": 3, "services/runs": 79, "services/triggering": 24}
"""The most in a folder as a whole, not in those below it: rows, reports and options of runs."""


def left_open(path: Path) -> int:
    text = path.read_text()
    nodes = list(ast.walk(ast.parse(text)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "typing"]
    wide = {name.name for node in imports for name in node.names} & {"Any", "cast"} | {"object"}
    named = sum(isinstance(node, ast.Name) and node.id in wide for node in nodes)
    return named + len(IGNORED.findall(text))


def test_what_types_leave_open_does_not_grow() -> None:
    found = {str(path.relative_to(ROOT)): left_open(path) for path in sorted(ROOT.rglob("*.py"))}
    more = {}
    for file, count in found.items():
        most, _ = REASONS.get(file, (0, ""))
        if count > most and str(Path(file).parent) not in FOLDERS:
            more[file] = f"{count}, and {most} have a reason"
    assert not more, "name the type, or give the reason in REASONS"
    for folder, most in FOLDERS.items():
        counts = {file: count for file, count in found.items() if str(Path(file).parent) == folder and count}
        assert sum(counts.values()) <= most, counts
