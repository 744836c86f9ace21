"""The AI service of the demo's month: it takes time for each answer and fails in some hours."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.business.language_model import Completion, FaultKind, Prompt, ProviderFault
from app.infrastructure.ai.offline import OfflineModel

SECONDS = {"ideas": (1.5, 5.0), "content": (6.0, 19.0)}
SENTENCES: dict[FaultKind, str] = {
    "server_error": "The AI service has trouble at the moment.",
    "rate_limited": "The AI service asks us to slow down.",
    "timeout": "The AI service did not answer in time.",
    "refused": "The AI service declined to write this.",
}


@dataclass
class Trouble:
    """`times` requests between `since` and `until` that fail."""

    kind: FaultKind
    since: datetime
    until: datetime
    times: int


class MonthlyModel:
    """The offline provider on the clock of the month: `now` reads the clock, `pass_time` advances it by seconds."""

    def __init__(self, now: Callable[[], datetime], pass_time: Callable[[float], None]) -> None:
        self.now, self.pass_time = now, pass_time
        self.troubles: list[Trouble] = []
        self.chance = random.Random(7)  # noqa: S311 - the same month every time, no secret

    def write(self, prompt: Prompt, key: str) -> Completion:
        """The offline provider's answer. Raises ProviderFault in times of trouble."""
        self.pass_time(self.chance.uniform(*SECONDS[prompt.kind]))
        for trouble in self.troubles:
            if trouble.since <= self.now() <= trouble.until and trouble.times > 0:
                trouble.times -= 1
                raise ProviderFault(trouble.kind, SENTENCES[trouble.kind])
        return OfflineModel().write(prompt, key)
