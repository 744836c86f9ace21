"""The values of an undo's page: what it did, and the records that stay with their names."""

from app.business.automation.operation_models import Operation
from app.business.automation.services.history.run_page import record_names
from app.business.automation.services.operations.undo.operation import UndoParams
from app.business.automation.services.operations.undo.writing import Tally
from app.infrastructure.database import db
from app.modules.web import Context

NAMED = 50
"""Records that stay and are named; the others are counted."""


def left_named(account_id: int, tally: Tally) -> Context:
    """`left`: type, id and reason of records that stay · `beyond`: how many more · `names` of those listed."""
    left = [(name, key, why) for (name, key), why in tally.left.items()]
    shown = left[:NAMED]
    ids = {name: [key for other, key, _ in shown if other == name] for name in {row[0] for row in shown}}
    names = record_names(db.session(), account_id, ids)
    return {"left": shown, "beyond": len(left) - NAMED, "names": names}


def undone(operation: Operation) -> Context:
    """What the template of the result gets."""
    tally = Tally.read(operation.result)
    run = {"tally": tally, "run_id": UndoParams.model_validate(operation.params).run}
    return run | left_named(operation.account_id, tally)
