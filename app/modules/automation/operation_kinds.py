"""How each kind of operation is shown: its title, what its progress counts, and the partial of its result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.business.automation.operation_models import Operation
from app.business.automation.services import bulk_retry
from app.modules.automation.views.bulk_retry import follow


@dataclass(frozen=True)
class KindPage:
    """`counts`: singular noun of what `done` and `total` count · `result`: template that gets `operation`.

    `follow`: of a kind that sets runs going, what the template shows of them once the operation has ended, with
    `tag` (changes when they do) and `moves` (whether the page goes on asking).
    """

    title: str
    counts: str
    result: str
    follow: Callable[[Operation], dict[str, Any]] | None = None


KIND_PAGES: Mapping[str, KindPage] = {
    bulk_retry.KIND: KindPage(
        "Retry of failed runs", "run", "partials/automation/bulk_retry_result.html", follow
    ),
}
