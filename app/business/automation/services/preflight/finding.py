"""One finding of the preflight check: severity, what is wrong, what to do, and where."""

from dataclasses import dataclass
from enum import StrEnum

from app.business.automation.services.preflight.rule_graph import Edge


class Level(StrEnum):
    """Severity of a finding.

    STOP: the rule could never do anything; it cannot be switched on, but it may be saved switched off. WARN: it may do
    less than, or something other than, its author expects; a person decides, limits at run time still apply. HINT:
    worth knowing; nothing is wrong.
    """

    STOP = "stop"
    WARN = "warn"
    HINT = "hint"


@dataclass(frozen=True)
class Finding:
    """`sentence` says what is wrong, `advice` what to do; `field` is the path in the rule.

    loop: the edges from the rule back to itself, for findings about loops.
    """

    code: str
    level: Level
    sentence: str
    advice: str
    field: str
    loop: tuple[Edge, ...] = ()
