"""The actions that the rule form offers at a position: those that have something to work on, the best first."""

from collections.abc import Sequence

from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.rules.definition import input_type


def fitting_actions(
    record_type: str | None, made_before: Sequence[str], types_before: Sequence[str] = ()
) -> list[AnyAction]:
    """The actions that fit a run over `record_type`, after actions that created these records and had these types.

    Actions that continue with the latest created records come first, then those on the rule's own records.
    """
    fitting = [entry for entry in CATALOGUE.values() if _fits(entry, record_type, made_before)]
    sources = [*reversed(made_before), record_type]

    def rank(entry: AnyAction) -> tuple[bool, int]:
        if entry.needed:
            # Actions that only the records' parents can feed are rarely wanted.
            place = sources.index(entry.needed) if entry.needed in sources else len(CATALOGUE)
            return entry.key in types_before, place
        is_second = (entry.unit_of == "run") == (record_type is not None)
        return entry.key in types_before, len(sources) + is_second

    return sorted(fitting, key=rank)


def _fits(entry: AnyAction, record_type: str | None, made_before: Sequence[str]) -> bool:
    if entry.unit_of == "run" or entry.kind_from:
        # A rule without records creates one record per run.
        return True
    return input_type(entry.stored({"type": entry.key}), record_type, list(made_before)) is not None
