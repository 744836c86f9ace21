"""The values of an undo's page: what it did, and the records that stay with their names."""

from collections import defaultdict

from app.business.automation.operation_models import Operation
from app.business.automation.services.history.run_page import record_names
from app.business.automation.services.operations.undo.operation import UndoParams
from app.business.automation.services.operations.undo.writing import Tally
from app.infrastructure.database import db
from app.modules.web import Context

NAMED = 6
"""Records of one kind that stay for one reason and are named; the others are counted."""
MOST_REASONS = 30


def left_named(account_id: int, tally: Tally) -> Context:
    """`left`: (reason, type) -> ids of records that stay · `beyond`: how many stay for further reasons · `most`: named
    of each · `names` of those."""
    left: dict[tuple[str, str], list[int]] = defaultdict(list)
    for (name, key), why in tally.left.items():
        left[why, name].append(key)
    shown = dict(list(left.items())[:MOST_REASONS])
    ids: dict[str, list[int]] = defaultdict(list)
    for (_, name), keys in shown.items():
        ids[name] += keys[:NAMED]
    return {
        "left": shown,
        "beyond": len(tally.left) - sum(map(len, shown.values())),
        "most": NAMED,
        "names": record_names(db.session(), account_id, ids),
    }


def undone(operation: Operation) -> Context:
    """What the template of the result gets."""
    tally = Tally.read(operation.result)
    run = {"tally": tally, "run_id": UndoParams.model_validate(operation.params).run}
    return run | left_named(operation.account_id, tally)
