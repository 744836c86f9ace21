"""How each kind of operation is shown: title, unit of its progress, and template of its result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.business.automation.operation_models import Operation
from app.business.automation.services.backtest import back_test
from app.business.automation.services.operations import bulk_retry, keyword_import
from app.business.automation.services.operations.undo import operation as undo
from app.business.planner.services.import_parts import ImportCounts
from app.modules.automation.back_test_report import report_of
from app.modules.automation.undo_report import undone
from app.modules.automation.views.bulk_retry import follow
from app.modules.display import plural
from app.modules.web import Context


def cancelled_import(operation: Operation) -> str:
    """What a cancelled import has undone, and what stays."""
    if not operation.result:
        return "It had not begun yet."
    result = ImportCounts.model_validate(operation.result)
    if not result.created and not result.updated:
        return "No keyword was in yet, so nothing had to be taken back."
    sentences = [f"{plural(result.taken_back, 'new keyword')} taken back."]
    if result.left:
        stay = plural(result.left, "new keyword stays", "new keywords stay")
        sentences.append(f"{stay}: somebody, a rule or another import has worked on them meanwhile.")
    if result.updated:
        keep = plural(result.updated, "keyword keeps", "keywords keep")
        sentences.append(f"{keep} the new figures: they were here before.")
    return " ".join(sentences)


def _nothing_more(_operation: Operation) -> Context:
    return {}


@dataclass(frozen=True)
class KindPage:
    """`above`: label and endpoint of the parent page · `counts`: singular noun of what `done` and `total` count ·
    `result`: template of the result, which gets `operation` and the values of `more`.

    `follow`: for kinds that start runs, what the template shows about these runs after the operation has ended ·
    cancel: label of the button · consequence: text before cancelling · stopping: text after it · cancelled: the result
    of cancelling · note: further information while it runs.
    """

    title: str
    above: tuple[str, str]
    counts: str
    result: str
    follow: Callable[[Operation], Context] | None = None
    more: Callable[[Operation], Context] = _nothing_more
    cancel: str = "Cancel"
    consequence: str = "It stops at its next step. What it has done by then stays done."
    stopping: str = "It stops in a moment. What is done already stays."
    cancelled: Callable[[Operation], str] | None = None
    note: str = ""


KIND_PAGES: Mapping[str, KindPage] = {
    bulk_retry.KIND: KindPage(
        "Retry of failed runs",
        ("History", "automation.history"),
        "run",
        "partials/automation/bulk_retry_result.html",
        follow,
    ),
    keyword_import.KIND: KindPage(
        "Import of keywords",
        ("Keywords", "planner.keywords"),
        "keyword",
        "partials/automation/keyword_import_result.html",
        cancel="Cancel and take back",
        consequence="It stops at its next step and takes back the new keywords that nobody has worked on.",
        stopping="It stops in a moment and takes back the new keywords that nobody has worked on.",
        cancelled=cancelled_import,
        note="Rules that wait for new keywords start when the whole file is in.",
    ),
    undo.KIND: KindPage(
        "Undo of a run",
        ("History", "automation.history"),
        "record",
        "partials/automation/undo_result.html",
        more=undone,
        consequence="It stops at its next step. What is undone by then stays undone; the rest stays as it is.",
        stopping="It stops in a moment. What is undone already stays undone.",
    ),
    back_test.KIND: KindPage(
        "Tried on the past",
        ("Rules", "automation.rules"),
        "moment",
        "partials/automation/back_test_report.html",
        more=report_of,
    ),
}
