"""The offline provider, made to fail on demand, recording its requests; and one that writes articles part by part."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.business.language_model import Completion, FaultKind, Prompt, ProviderFault
from app.business.writer.services.article_prompts import Metas, Outline
from app.infrastructure.ai.offline import OfflineModel


class FailingModel:
    """Fails with `kind` (for units whose keys end in `only`, else for all); without a kind it works.

    asked: the keys of the units; of an article, which is asked for part by part, once.
    """

    def __init__(self, kind: FaultKind | None = None, *, only: str = "", times: int = 1000) -> None:
        self.kind, self.only, self.times = kind, only, times
        self.asked: list[str] = []

    def write(self, prompt: Prompt, key: str) -> Completion:
        unit = re.sub(r"-p\d+$", "", key)
        if not self.asked or self.asked[-1] != unit or key.endswith("-p1"):
            self.asked.append(unit)
        if self.kind and unit.endswith(self.only) and self.times > 0:
            self.times -= 1
            raise ProviderFault(self.kind, "The AI service said no.")
        return ArticleModel().write(prompt, key)


Say = Callable[[Prompt], Any]


@dataclass
class ArticleModel:
    """Writes articles as they are asked for, `ratio` times as long; everything else as the offline provider does.

    Of one section where a test is not about articles: for the engine each part is as much work as a small run.
    says: end of a key -> what is answered instead, or raised; used once each.
    """

    ratio: float = 1.0
    sections: int = 1
    says: dict[str, Say] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, Prompt]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.asked]

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.asked.append((key, prompt))
        end = next((end for end in self.says if key.endswith(end)), None)
        if end is not None:
            said = self.says.pop(end)(prompt)
            if isinstance(said, Exception):
                raise said
            return Completion(data=said, model="small-1", tokens=dict(self.tokens))
        if prompt.answer not in (Outline, Metas, None):
            return OfflineModel().write(prompt, key)
        return Completion(data=self.answer(prompt), model="small-1", tokens=dict(self.tokens))

    def answer(self, prompt: Prompt) -> dict[str, Any]:
        if prompt.answer is Outline:
            title = prompt.facts["title"]
            sections = [{"heading": f"Part {letters(number)}"} for number in range(self.sections)]
            return {"title": title, "sections": sections}
        if prompt.answer is Metas:
            return {"meta_title": "A title", "meta_description": "What it is about."}
        asked = prompt.facts["section"]
        wanted = " and ".join(
            [prompt.facts["main_keyword"], *(one["text"] for one in prompt.facts["keywords"])]
        )
        seed = f"{prompt.facts['title']} {asked['heading']}"
        return {"text": text_of(round(asked["words"] * self.ratio), seed, wanted)}


def text_of(count: int, seed: str, opening: str = "") -> str:
    """So many words in sentences of which none is like another."""
    words = opening.split()[:count]
    start = zlib.crc32(seed.encode()) * 10_000
    words += [letters(start + number) for number in range(count - len(words))]
    sentences = [" ".join(words[place : place + 9]) for place in range(0, len(words), 9)]
    return " ".join(f"{sentence.capitalize()}." for sentence in sentences)


def letters(number: int) -> str:
    """A word for a number."""
    text = ""
    while True:
        number, rest = divmod(number, 26)
        text = chr(97 + rest) + text
        if not number:
            return text
