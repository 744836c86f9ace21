"""The parts of help, and the search in them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.business.folding import fold


@dataclass(frozen=True)
class HelpTerm:
    """One term. anchor: its place on the page of its section · facts: names and values below the text."""

    anchor: str
    title: str
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        return " ".join((self.title, self.text, *(part for fact in self.facts for part in fact)))


@dataclass(frozen=True)
class Table:
    """Rows of texts; the first cell of a row is its head."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class HelpSection:
    """What belongs together, on a page of its own. key: the end of its address · lead: explains it."""

    key: str
    title: str
    icon: str
    lead: str
    entries: tuple[HelpTerm, ...] = ()
    tables: tuple[Table, ...] = ()


def matching(sections: Iterable[HelpSection], text: str) -> list[HelpSection]:
    """The entries and rows that have all these words; a section whose own name has them stays whole."""
    wanted = fold(text).split()
    if not wanted:
        return list(sections)

    def has(*texts: str) -> bool:
        said = fold(" ".join(texts))
        return all(word in said for word in wanted)

    found = []
    for section in sections:
        if has(section.title):
            found.append(section)
            continue
        entries = tuple(entry for entry in section.entries if has(section.title, entry.words))
        tables = (
            _rows(table, [row for row in table.rows if has(table.title, *row)]) for table in section.tables
        )
        left = replace(section, entries=entries, tables=tuple(table for table in tables if table.rows))
        if left.entries or left.tables:
            found.append(left)
    return found


def _rows(table: Table, rows: Iterable[tuple[str, ...]]) -> Table:
    return replace(table, rows=tuple(rows))
