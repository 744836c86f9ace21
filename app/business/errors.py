"""Refusals for people. Each says what happened and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any


class Refusal(Exception):
    """Base of all refusals; `str()` is a plain sentence for staff.

    status: its HTTP status. code: its name for programs, which stays when sentences change.
    """

    status = 409
    code = "refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(Refusal):
    """Input that is not accepted: field path -> sentences. Nothing was changed."""

    status = 422
    code = "invalid"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {path: list(messages) for path, messages in errors.items()}
        super().__init__(
            next((messages[0] for messages in self.errors.values() if messages), "Invalid input.")
        )


class NotFound(Refusal):
    """The row is not there, or belongs to another account: both read the same."""

    status = 404
    code = "not_found"

    def __init__(self, message: str = "Not found.") -> None:
        super().__init__(message)


class Forbidden(Refusal):
    """The person's role does not allow this."""

    status = 403
    code = "forbidden"


class Conflict(Refusal):
    """The row's present state does not allow this."""

    status = 409
    code = "conflict"


class Blocked(Conflict):
    """Something in the row itself prevents this: field path -> sentences. Nothing was changed."""

    code = "blocked"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {path: list(messages) for path, messages in errors.items()}
        super().__init__(" ".join(message for messages in self.errors.values() for message in messages))


class Stale(Refusal):
    """Somebody else changed the row meanwhile. `details`: both versions, for programs, where they are kept."""

    status = 412
    code = "stale"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = details


class TooLarge(Refusal):
    """More than is accepted at once."""

    status = 413
    code = "too_large"


class Busy(Refusal):
    """Too many requests in progress; the same request will work a little later."""

    status = 503
    code = "busy"
    retry_after = 2
    """Seconds."""


class NotEnoughCredits(Refusal):
    """The account cannot pay for this."""

    status = 409
    code = "not_enough_credits"

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"Needs {needed:,} credits, {available:,} free.")
        self.needed, self.available = needed, available
