"""The provider of installations without an AI connection: no network, deterministic answers."""

from typing import Any

from app.business.language_model import Completion, Prompt
from app.infrastructure.ai.offline_brief import draft_brief
from app.infrastructure.ai.offline_ideas import draft_ideas


class OfflineModel:
    """A LanguageModel based on templates: ideas from search phrases, and briefs for writers."""

    is_local = True

    def write(self, prompt: Prompt, key: str) -> Completion:
        """The same facts give the same answer; `key` changes nothing."""
        draft = _draft(prompt)
        data = prompt.answer.model_validate(draft).model_dump() if prompt.answer else draft
        return Completion(data=data, model="offline", offline=True)


def _draft(prompt: Prompt) -> dict[str, Any]:
    if prompt.kind == "ideas":
        return draft_ideas(prompt.facts)
    return draft_brief(prompt.facts, prompt.background)
