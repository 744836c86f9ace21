"""The provider of installations without an AI connection: no network, deterministic answers."""

from app.business.language_model import Completion, Prompt
from app.infrastructure.ai.offline_article import draft_article
from app.infrastructure.ai.offline_ideas import draft_ideas

_WRITERS = {"ideas": draft_ideas, "content": draft_article}


class OfflineModel:
    """A LanguageModel made of patterns: ideas from search phrases, and outlines for a writer to complete."""

    def write(self, prompt: Prompt, key: str) -> Completion:
        """The same facts give the same answer; `key` changes nothing."""
        data = prompt.answer.model_validate(_WRITERS[prompt.kind](prompt.facts)).model_dump()
        return Completion(data=data, model="offline", offline=True)
