"""The kinds of operations and their handlers."""

from collections.abc import Mapping

from app.business.automation.services.backtest import back_test
from app.business.automation.services.operations import bulk_retry, keyword_import
from app.business.automation.services.operations.lifecycle import Handler
from app.business.automation.services.operations.undo import operation as undo

KINDS: Mapping[str, Handler] = {
    bulk_retry.KIND: bulk_retry.run_bulk_retry,
    keyword_import.KIND: keyword_import.execute_import,
    back_test.KIND: back_test.run_back_test,
    undo.KIND: undo.run_undo,
}
