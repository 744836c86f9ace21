"""Why a unit failed: a plain sentence for each kind of exception."""

from concurrent.futures import TimeoutError as TooSlow

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.business.automation.run_models import Reason
from app.business.automation.services.runs.unit_receipts import Failure, Unit
from app.business.database_faults import fault_of, in_one_line
from app.business.errors import Refusal
from app.business.language_model import ProviderFault

FAULT_REASONS = {
    "timeout": Reason.TIMED_OUT,
    "refused": Reason.PROVIDER_REFUSED,
    "over_limit": Reason.BUDGET,
}
OURS = (
    "Something went wrong on our side. Retry it; if it happens again, tell your administrator the run number."
)
MISFITS = {
    "missing": "is missing",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "too_short": "is empty",
    "too_long": "holds too many",
}
"""Descriptions of invalid parts of an AI answer, by pydantic's error type."""


def failure_of(unit: Unit, error: Exception) -> Failure:
    """The failure of the unit, with the technical detail in a separate field."""
    if isinstance(error, ProviderFault):
        reason = FAULT_REASONS.get(error.kind, Reason.ACTION_FAILED)
        return Failure(
            unit,
            reason,
            error.message,
            error.detail,
            error.is_passing,
            error.retry_after,
            use=error.use,
            unused=not error.may_have_worked,
            fault=error.kind,
            of_service=True,
        )
    if isinstance(error, TooSlow):
        message = f"It took longer than {unit.step.entry.seconds} seconds."
        return Failure(unit, Reason.TIMED_OUT, message, "", True, fault="timeout")
    message, detail = _said(unit, error)
    is_passing = fault_of(error) is not None or isinstance(error, IntegrityError)
    return Failure(unit, Reason.ACTION_FAILED, message, detail, is_passing, fault=_class_of(unit, error))


def _class_of(unit: Unit, error: Exception) -> str:
    match error:
        case Refusal():
            return "not_possible"
        case ValidationError() if not unit.step.entry.local:
            return "bad_answer"
        case DBAPIError():
            return "database"
    return "fault"


def _said(unit: Unit, error: Exception) -> tuple[str, str]:
    """The sentence, and the technical detail."""
    fault = fault_of(error)
    if fault and fault.stops_all:
        return f"The database was {fault.state} at that moment.", in_one_line(error)
    match error:
        case Refusal():
            return error.message, ""
        case DBAPIError() if fault or isinstance(error, IntegrityError):
            return "Somebody else changed the same records at that moment.", in_one_line(error)
        case ValidationError() if not unit.step.entry.local:
            return unusable_answer(error), str(error)
    return OURS, f"{type(error).__name__}: {error}"


def unusable_answer(error: ValidationError) -> str:
    """`The AI service sent an answer that cannot be used: the title is too short.`"""
    first = error.errors()[0]
    part = next((str(name).replace("_", " ") for name in reversed(first["loc"]) if isinstance(name, str)), "")
    wrong = MISFITS.get(first["type"], "does not fit")
    said = f"the {part} {wrong}" if part else "it is not in the form that was asked for"
    return f"The AI service sent an answer that cannot be used: {said}. Retry it."
