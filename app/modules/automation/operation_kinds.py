"""How each kind of operation is shown: its title, what its progress counts, and the partial of its result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.business.automation.operation_models import Operation
from app.business.automation.services.operations import bulk_retry
from app.business.automation.services.trials import back_test
from app.modules.automation.back_test_report import report_of
from app.modules.automation.views.bulk_retry import follow


def _nothing_more(_operation: Operation) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class KindPage:
    """`above`: label and endpoint of the page that leads to it · `counts`: singular noun of what `done` and `total`
    count · `result`: template that gets `operation`, and what `more` reads for it.

    `follow`: of a kind that sets runs going, what the template shows of them once the operation has ended.
    """

    title: str
    above: tuple[str, str]
    counts: str
    result: str
    follow: Callable[[Operation], dict[str, Any]] | None = None
    more: Callable[[Operation], dict[str, Any]] = _nothing_more


KIND_PAGES: Mapping[str, KindPage] = {
    bulk_retry.KIND: KindPage(
        "Retry of failed runs",
        ("History", "automation.history"),
        "run",
        "partials/automation/bulk_retry_result.html",
        follow,
    ),
    back_test.KIND: KindPage(
        "Tried on the past",
        ("Rules", "automation.rules"),
        "moment",
        "partials/automation/back_test_report.html",
        more=report_of,
    ),
}
