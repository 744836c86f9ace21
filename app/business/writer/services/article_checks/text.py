"""An article as its checks read it: blocks of text in order, their sentences and words, and the links."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser

_HEADING = re.compile(r"h[1-6]")
_BLOCKS = {"p", "li", "td", "th", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}
_WORD = re.compile(r"\w+(?:[’'-]\w+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”’»)]*\s+|(?<=[。！？])|\n+")


@dataclass(frozen=True)
class Block:
    """One paragraph, list item, cell or heading."""

    tag: str
    text: str

    @property
    def level(self) -> int:
        """Of a heading; 0 for any other block."""
        return int(self.tag[1]) if _HEADING.fullmatch(self.tag) else 0


@dataclass(frozen=True)
class ArticleText:
    """The visible text of an article, and the addresses that it links to."""

    blocks: tuple[Block, ...]
    links: tuple[str, ...]

    @classmethod
    def of(cls, html: str) -> "ArticleText":
        reader = _Reader()
        reader.feed(html)
        reader.close()
        reader.end_block()
        return cls(tuple(reader.blocks), tuple(reader.links))

    @cached_property
    def headings(self) -> list[Block]:
        return [block for block in self.blocks if block.level]

    @cached_property
    def sentences(self) -> list[str]:
        """In order, headings included."""
        return [sentence for block in self.blocks for sentence in sentences_of(block.text)]

    @cached_property
    def words(self) -> list[str]:
        return words_of(" ".join(block.text for block in self.blocks))


def sentences_of(text: str) -> list[str]:
    """The sentences of a paragraph."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part and part.strip()]


def words_of(text: str) -> list[str]:
    """Words without regard to case."""
    return _WORD.findall(text.casefold().replace("’", "'"))


def runs_of_words(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """Every run of so many words."""
    return (tuple(words[start : start + length]) for start in range(len(words) - length + 1))


@dataclass
class _Reader(HTMLParser):
    blocks: list[Block] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._tag, self._text = "p", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
        elif tag == "br":
            self._text += "\n"
        elif tag in _BLOCKS:
            self.end_block()
            self._tag = tag

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.end_block()

    def handle_data(self, data: str) -> None:
        self._text += data

    def end_block(self) -> None:
        lines = (" ".join(line.split()) for line in self._text.split("\n"))
        if text := "\n".join(filter(None, lines)):
            self.blocks.append(Block(self._tag, text))
        self._tag, self._text = "p", ""
