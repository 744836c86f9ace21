"""Articles as Markdown: the few tags that the allow-list of articles leaves, and nothing else."""

import re
from html.parser import HTMLParser

_MARKS = {"strong": "**", "em": "*", "code": "`"}
_HEADINGS = {"h2": "## ", "h3": "### ", "h4": "#### "}
_SIGNS = re.compile(r"([\\`*_\[\]])")
_SPACES = re.compile(r"\s+")
_EMPTY_LINES = re.compile(r"\n{3,}")


def to_markdown(html: str) -> str:
    """`html` of an article as Markdown. Tables become lines of cells; elements without Markdown become plain text."""
    writer = _Writer()
    writer.feed(html)
    writer.close()
    return _EMPTY_LINES.sub("\n\n", "".join(writer.parts)).strip()


class _Writer(HTMLParser):
    """Writes while parsing; `lists` are the open lists, each with its next number (None: bullets)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.lists: list[int | None] = []
        self.links: list[str] = []
        self.in_pre = False
        self.heads = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HEADINGS:
            self.parts.append(f"\n\n{_HEADINGS[tag]}")
        elif tag in ("ul", "ol"):
            self.parts.append("" if self.lists else "\n\n")
            self.lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self.parts.append(self._bullet())
        elif tag == "a":
            self.links.append(dict(attrs).get("href") or "")
            self.parts.append("[")
        elif tag == "pre":
            self.in_pre = True
            self.parts.append("\n\n```\n")
        elif tag in ("td", "th"):
            self.heads += tag == "th"
            self.parts.append("| ")
        else:
            self.parts.append(self._simple(tag))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self.lists = self.lists[:-1]
            self.parts.append("" if self.lists else "\n\n")
        elif tag == "a":
            self.parts.append(f"]({self.links.pop() if self.links else ''})")
        elif tag == "pre":
            self.in_pre = False
            self.parts.append("\n```\n\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")
        elif tag == "tr":
            self.parts.append("|" + (f"\n{'| --- ' * self.heads}|" if self.heads else ""))
            self.heads = 0
        elif tag in _MARKS:
            self.parts.append("" if self.in_pre else _MARKS[tag])

    def handle_data(self, data: str) -> None:
        self.parts.append(data if self.in_pre else _SIGNS.sub(r"\\\1", _SPACES.sub(" ", data)))

    def _simple(self, tag: str) -> str:
        if tag in _MARKS:
            return "" if self.in_pre else _MARKS[tag]
        marks = {"blockquote": "\n\n> ", "hr": "\n\n---\n\n", "br": "  \n", "tr": "\n", "table": "\n"}
        if tag == "p":
            return "" if self.parts and self.parts[-1].endswith(("> ", "- ", ". ")) else "\n\n"
        return marks.get(tag, "")

    def _bullet(self) -> str:
        indent = "  " * (len(self.lists) - 1)
        number = self.lists[-1] if self.lists else None
        if number is None:
            return f"\n{indent}- "
        self.lists[-1] = number + 1
        return f"\n{indent}{number}. "
