"""The parts of an article that are written so far, and what they come to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.business.language_model import ModelUse
from app.business.writer.services.article_checks.facts import Draft
from app.business.writer.services.article_html import count_words, from_markdown
from app.business.writer.services.article_prompts import Outline

PartKind = Literal["outline", "section", "repair", "metas", "metas_repair", "rejected", "question", "answer"]
_HEADING_LINE = re.compile(r"^(#{1,6})[ \t]+(.*?)[ \t]*#*$", re.MULTILINE)


@dataclass(frozen=True)
class NewPart:
    """What one call came to. use: what the service counted; None where none was called."""

    kind: PartKind
    data: dict[str, Any]
    use: ModelUse | None = None


@dataclass(frozen=True)
class KeptPart:
    """One part as it is kept: its number within the article, and the attempt of the run that made it."""

    number: int
    attempt: int
    kind: str
    data: dict[str, Any]


@dataclass
class ArticleSection:
    """One section; the first one is the introduction and has no heading.

    words: its budget · numbers: of its parts · repaired: checks for which it was written again.
    """

    heading: str
    points: list[str]
    keywords: list[str]
    text: str | None = None
    words: int = 0
    numbers: list[int] = field(default_factory=list)
    repaired: set[str] = field(default_factory=set)

    @property
    def length(self) -> int:
        return count_words(from_markdown(self.text or ""))

    def draft(self, title: str) -> Draft:
        """The section alone, to be checked."""
        return Draft(title, from_markdown(self.text or ""))


@dataclass
class ArticleProgress:
    """The state of an article, from its parts in their order."""

    outline: Outline | None = None
    outline_number: int = 0
    sections: list[ArticleSection] = field(default_factory=list)
    metas: dict[str, str] | None = None
    metas_repaired: bool = False
    question: KeptPart | None = None
    answer: KeptPart | None = None
    change_requests: list[str] = field(default_factory=list)
    """What people said when they declined earlier outlines."""

    @classmethod
    def of(cls, parts: Sequence[KeptPart]) -> "ArticleProgress":
        void = {number for part in parts if part.kind == "rejected" for number in part.data["void"]}
        progress = cls()
        progress.change_requests = [
            part.data["note"] for part in parts if part.kind == "answer" and part.data["note"]
        ]
        for part in parts:
            if part.number not in void:
                progress._add(part)
        return progress

    def _add(self, part: KeptPart) -> None:
        match part.kind:
            case "outline":
                self.outline_number = part.number
                self._plan(part.data)
            case "section" | "repair" if part.data["section"] < len(self.sections):
                section = self.sections[part.data["section"]]
                section.text, section.words = part.data["text"], part.data["words"]
                section.numbers.append(part.number)
                section.repaired |= set(part.data.get("checks", ()))
            case "question":
                self.question = part
            case "answer":
                self.answer = part
                if changed := part.data.get("outline"):
                    self._plan(changed)
            case "metas" | "metas_repair":
                self.metas, self.metas_repaired = part.data, part.kind == "metas_repair"

    def _plan(self, outline: dict[str, Any]) -> None:
        self.outline = Outline.model_validate(outline)
        self.sections = [ArticleSection("", [], []), *(
            ArticleSection(one.heading, list(one.points), list(one.keywords)) for one in self.outline.sections
        )]  # fmt: skip

    @property
    def title(self) -> str:
        return self.outline.title if self.outline else ""

    @property
    def markdown(self) -> str:
        """All that is written, with its headings."""
        parts = []
        for section in self.sections:
            if section.text is not None:
                parts += [f"## {section.heading}"] if section.heading else []
                parts.append(section.text)
        return "\n\n".join(parts)

    def draft(self) -> Draft:
        metas = self.metas or {"meta_title": "", "meta_description": ""}
        return Draft(self.title, from_markdown(self.markdown), metas["meta_title"], metas["meta_description"])


def section_text(answer: str, heading: str, title: str) -> str:
    """A section as it is kept: without its own heading or the article's title, and no heading above the third level."""
    lines = answer.strip().split("\n")
    while lines and _is_own_heading(lines[0], heading, title):
        lines = "\n".join(lines[1:]).strip().split("\n")
    return _with_levels("\n".join(lines)).strip()


def _is_own_heading(line: str, heading: str, title: str) -> bool:
    plain = line.strip().strip("#*: ").casefold()
    is_marked = line.lstrip().startswith(("#", "**"))
    return (bool(plain) and plain in {heading.strip().casefold(), title.strip().casefold()}) or (
        is_marked and line.lstrip().startswith("# ")
    )


def _with_levels(text: str) -> str:
    """Headings from the third level on, none left out."""
    above = 2

    def mend(match: re.Match[str]) -> str:
        nonlocal above
        above = min(max(len(match[1]), 3), above + 1, 4)
        return f"{'#' * above} {match[2]}"

    return _HEADING_LINE.sub(mend, text)
