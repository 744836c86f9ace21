"""The offline provider, made to fail on demand, recording its requests."""

from app.business.language_model import Completion, FaultKind, Prompt, ProviderFault
from app.infrastructure.ai.offline import OfflineModel


class FailingModel:
    """Fails with `kind` (for keys that end in `only`, else for all); without a kind it works."""

    def __init__(self, kind: FaultKind | None = None, *, only: str = "", times: int = 1000) -> None:
        self.kind, self.only, self.times = kind, only, times
        self.asked: list[str] = []

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.asked.append(key)
        if self.kind and key.endswith(self.only) and self.times > 0:
            self.times -= 1
            raise ProviderFault(self.kind, "The AI service said no.")
        return OfflineModel().write(prompt, key)
