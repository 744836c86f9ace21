"""One thing that looking a rule over has found, as data: how grave, what is so, what to do, and where."""

from dataclasses import dataclass
from enum import StrEnum

from app.business.automation.services.preflight.rule_graph import Edge


class Level(StrEnum):
    """How grave a finding is.

    STOP: switched on, the rule could never do anything, so it is not switched on; it may be saved switched off.
    WARN: it would do something else than its author thinks, or less; a person decides, a guard at run time holds.
    HINT: worth knowing, nothing is wrong.
    """

    STOP = "stop"
    WARN = "warn"
    HINT = "hint"


@dataclass(frozen=True)
class Finding:
    """`sentence` says what is so, `advice` what to do; `field` is the path in the rule that decides it.

    loop: the arrows from the rule back to itself, where that is what was found.
    """

    code: str
    level: Level
    sentence: str
    advice: str
    field: str
    loop: tuple[Edge, ...] = ()
