"""Characters that no text needs: controls, unpaired surrogates, and, on one line, direction characters."""

import re

CONTROL = "It holds a control character. Remove it and try again."
DIRECTION = "It holds a character that turns the direction of text. Remove it and try again."

# Except tab and line ends; databases refuse some of these.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Embedded, overridden and isolated directions: they reverse neighbouring text on a page.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def fault_of_line(text: str) -> str | None:
    """Why the text cannot be a one-line field, in one sentence; None when it can."""
    return DIRECTION if _TURNING.search(text) else fault_of_body(text)


def fault_of_body(text: str) -> str | None:
    """The same for a text of several lines, which may contain direction characters."""
    return CONTROL if _CONTROLS.search(text) else None


def without_faults(text: str) -> str:
    """`text` without the characters that either of them refuses."""
    return _TURNING.sub("", _CONTROLS.sub("", text))
