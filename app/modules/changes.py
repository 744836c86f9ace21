"""Differences between two versions, for pages and JSON."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Change:
    """One difference. Without `before` something was added, without `after` it was removed."""

    field: str
    before: str | None
    after: str | None

    @property
    def kind(self) -> Literal["changed", "added", "removed"]:
        """Whether it was added, removed or changed."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"kind": self.kind}

    def __str__(self) -> str:
        match self.kind:
            case "added":
                return f"{self.field}: {self.after} (added)"
            case "removed":
                return f"{self.field}: {self.before} (removed)"
        return f"{self.field}: {self.before} → {self.after}"
