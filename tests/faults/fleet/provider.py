"""An AI service that honours keys: the same key is the same work, done and counted once."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tests.business.automation.provider import text_of
from tests.infrastructure.chat_server import Handler, says, serving

CALLS_OF_AN_ARTICLE = 4
"""Outline, introduction, one section, texts for search engines."""


@dataclass
class Provider:
    """`asked` counts calls by key; the answer to a key never changes. Each call takes `seconds`."""

    seconds: float = 0.03
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    answers: dict[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def reply(self, handler: Handler) -> None:
        key = handler.headers["Idempotency-Key"]
        with self.lock:
            self.asked[key] += 1
            answer = self.answers.setdefault(key, _answer(handler.body))
        time.sleep(self.seconds)
        says(answer)(handler)

    @property
    def repeated(self) -> int:
        """Calls that the key made superfluous."""
        return sum(self.asked.values()) - len(self.asked)


def _answer(body: dict[str, Any]) -> str:
    instructions, asked = (message["content"] for message in body["messages"][:2])
    facts = json.loads(asked)
    if "count" in facts:
        titles = [f"{facts['cluster']}, part {number + 1}" for number in range(facts["count"])]
        idea = {"description": "One of several.", "content_type": "how_to"}
        return json.dumps({"ideas": [idea | {"title": title} for title in titles]})
    if section := facts.get("section"):
        wanted = [facts["main_keyword"], *(keyword["text"] for keyword in facts["keywords"])]
        seed = f"{facts['title']} {section['heading']}"
        return text_of(section["words"], seed, " ".join(wanted))
    if '"sections"' in instructions:
        return json.dumps({"title": facts["title"], "sections": [{"heading": "All of it"}]})
    return json.dumps({"meta_title": "A title", "meta_description": "What it is about."})


@contextmanager
def answering(seconds: float) -> Iterator[Provider]:
    provider = Provider(seconds)
    with serving(provider.reply) as chat:
        provider.url = chat.url
        yield provider
