"""Articles as documents of a word processor (.docx), with its own heading, list and table styles."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from re import sub

from docx import Document
from docx.document import Document as Docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import RGBColor
from docx.text.paragraph import Paragraph
from docx.text.run import Run

from app.business.writer.models import Content

STYLES = {"h2": "Heading 2", "h3": "Heading 3", "h4": "Heading 4", "p": "Normal", "pre": "No Spacing"}
MARKS = ("strong", "em", "code", "sub", "sup")
DEEPEST_LIST = 3
"""The styles of a document go no deeper."""
LINK_COLOUR = RGBColor(0x1A, 0x56, 0xB8)


def to_document(content: Content) -> bytes:
    """The article as a .docx file, with its title, and its description among the document's properties."""
    document = Document()
    document.core_properties.title = content.title
    document.core_properties.comments = content.meta_description[:255]
    document.core_properties.keywords = content.main_keyword
    document.core_properties.author = ""
    document.add_heading(content.title, 1)
    writer = _Writer(document)
    writer.feed(content.html)
    writer.close()
    file = BytesIO()
    document.save(file)
    return file.getvalue()


@dataclass
class _List:
    """An open list; `number`: its own numbering, so that each list begins at 1; none for bullets."""

    number: int | None


@dataclass
class _Table:
    """The runs of each cell of each row, with their marks: its width is known at its end."""

    rows: list[list[list[tuple[str, frozenset[str]]]]] = field(default_factory=list)


class _Writer(HTMLParser):
    """Writes while parsing the few elements that the allow-list of articles leaves."""

    def __init__(self, document: Docx) -> None:
        super().__init__(convert_charrefs=True)
        self.document = document
        self.paragraph: Paragraph | None = None
        self.marks: list[str] = []
        self.lists: list[_List] = []
        self.quotes = 0
        self.link = ""
        self.in_pre = False
        self.table: _Table | None = None
        self.is_head = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("ul", "ol"):
            self.lists.append(_List(self._numbering() if tag == "ol" else None))
        elif tag == "li":
            self._begin_item()
        elif tag == "table":
            self.table = _Table()
        elif tag == "tr" and self.table:
            self.table.rows.append([])
        elif tag in ("td", "th") and self.table and self.table.rows:
            self.table.rows[-1].append([])
            self.is_head = tag == "th"
        elif tag in STYLES:
            self._begin(tag)
        else:
            self._mark(tag, dict(attrs))

    def _mark(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag in MARKS:
            self.marks.append(tag)
        elif tag == "blockquote":
            self.quotes += 1
        elif tag == "a":
            self.link = attributes.get("href") or ""
        elif tag == "br":
            self._write("\n")
        elif tag == "hr":
            self.document.add_paragraph("* * *")
            self.paragraph = None

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ul", "ol") and self.lists:
            self.lists.pop()
        elif tag == "table":
            self._end_table()
        elif tag in MARKS and tag in self.marks:
            self.marks.remove(tag)
        elif tag == "blockquote":
            self.quotes = max(self.quotes - 1, 0)
        elif tag == "a":
            self.link = ""
        if tag in (*STYLES, "li", "blockquote"):
            self.paragraph, self.in_pre = None, False

    def handle_data(self, data: str) -> None:
        text = data if self.in_pre else sub(r"\s+", " ", data)
        if text.strip() or (self.paragraph is not None and text):
            self._write(text)

    def _begin(self, tag: str) -> None:
        # A paragraph within an item goes on in it.
        if self.table or (self.lists and tag == "p" and self.paragraph is not None):
            return
        self.in_pre = tag == "pre"
        style = "Quote" if self.quotes and tag == "p" else STYLES[tag]
        self.paragraph = self.document.add_paragraph(style=style)

    def _begin_item(self) -> None:
        depth = min(len(self.lists), DEEPEST_LIST) or 1
        number = self.lists[-1].number if self.lists else None
        name = "List Bullet" if number is None else "List Number"
        self.paragraph = self.document.add_paragraph(style=f"{name} {depth}" if depth > 1 else name)
        if number is not None:
            properties = self.paragraph._p.get_or_add_pPr().get_or_add_numPr()
            properties.get_or_add_ilvl().val = 0
            properties.get_or_add_numId().val = number

    def _numbering(self) -> int:
        """A new numbering that begins at 1, of the same kind as that of the style of numbered lists."""
        style = self.document.styles["List Number"]
        own = style.element.pPr.numPr.numId.val
        numbering = self.document.part.numbering_part.element
        abstract = numbering.num_having_numId(own).abstractNumId.val
        added = numbering.add_num(abstract)
        added.add_lvlOverride(ilvl=0).add_startOverride(1)
        return int(added.numId)

    def _write(self, text: str) -> None:
        if self.table is not None:
            if self.table.rows and self.table.rows[-1]:
                marks = frozenset([*self.marks, "strong"] if self.is_head else self.marks)
                self.table.rows[-1][-1].append((text, marks))
            return
        if self.paragraph is None:
            self.paragraph = self.document.add_paragraph(style="Quote" if self.quotes else "Normal")
        run = self._link(text, self.link) if self.link else self.paragraph.add_run(text)
        _format(run, frozenset(self.marks) | ({"code"} if self.in_pre else set()))

    def _link(self, text: str, address: str) -> Run:
        assert self.paragraph is not None
        part = self.paragraph.part
        link = OxmlElement("w:hyperlink")
        link.set(qn("r:id"), part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))
        run = self.paragraph.add_run(text)
        run.font.underline, run.font.color.rgb = True, LINK_COLOUR
        link.append(run._r)
        self.paragraph._p.append(link)
        return run

    def _end_table(self) -> None:
        table, self.table = self.table, None
        if table is None or not (width := max(map(len, table.rows), default=0)):
            return
        made = self.document.add_table(len(table.rows), width, style="Table Grid")
        for row, texts in zip(made.rows, table.rows, strict=True):
            for cell, runs in zip(row.cells, texts, strict=False):
                for text, marks in runs:
                    _format(cell.paragraphs[0].add_run(text), marks)


def _format(run: Run, marks: frozenset[str] | set[str]) -> None:
    run.bold = "strong" in marks or None
    run.italic = "em" in marks or None
    run.font.subscript = "sub" in marks or None
    run.font.superscript = "sup" in marks or None
    if "code" in marks:
        run.font.name = "Courier New"
