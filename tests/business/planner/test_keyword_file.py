"""File type by its bytes alone; and files that are invalid or malicious."""

import zipfile
from io import BytesIO

import pytest

from app.business.errors import Invalid, TooLarge
from app.business.planner.services.keyword_table import read_keyword_table

TEXT = "Keyword\tVolume\nzażółć gęślą jaźń\t10\ncafé crème brûlée\t20\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_recognised_with_and_without_byte_order_mark(encoding: str) -> None:
    table = read_keyword_table(TEXT.encode(encoding))
    assert [row.values["keyword"] for row in table.rows] == ["zażółć gęślą jaźń", "café crème brûlée"]


def test_western_8_bit_text_is_recognised_and_another_encoding_can_be_chosen() -> None:
    french = "Keyword,Volume\ncrème brûlée à la poêle,10\nthéâtre d'été – près de chez vous,20\n"
    assert read_keyword_table(french.encode("cp1252")).rows[0].values["keyword"] == "crème brûlée à la poêle"
    polish = "Keyword,Volume\nłódź,10\n".encode("iso8859-2")
    assert read_keyword_table(polish, encoding="iso8859-2").rows[0].values["keyword"] == "łódź"


@pytest.mark.parametrize("encoding", ["zlib_codec", "idna", "no-such", "utf-8"])
def test_an_encoding_that_is_unknown_or_does_not_fit_is_refused(encoding: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_keyword_table("Keyword\ncafé\n".encode("cp1252"), encoding=encoding)
    assert list(refusal.value.errors) == ["encoding"]


OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
TYPES = f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="text/xml"/></Types>'
SHEETS = '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets>'


def relation(kind: str, target: str) -> str:
    link = f'<Relationship Id="r1" Type="{OFFICE}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{PACKAGE}/relationships">{link}</Relationships>'


def workbook(rows: str, extra: dict[str, bytes] | None = None) -> bytes:
    """A small workbook made by hand: inline texts and numbers, one sheet."""
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{SHEETS}</workbook>',
        "xl/_rels/workbook.xml.rels": relation("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (parts | (extra or {})).items():
            archive.writestr(name, content)
    return stream.getvalue()


def text(place: str, words: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{words}</t></is></c>'


HEADER = f'<row r="1">{text("A1", "Keyword")}{text("B1", "Volume")}</row>'


def test_a_workbook_is_recognised_whatever_its_name_says() -> None:
    rows = f'{HEADER}<row r="3">{text("A3", "Oak Table")}<c r="B3"><v>1200</v></c></row>'
    table = read_keyword_table(workbook(rows))
    assert table.encoding == "xlsx"
    assert [(row.row, row.values) for row in table.rows] == [(3, {"keyword": "oak table", "volume": 1200})]


def test_two_distant_cells_do_not_make_the_reader_allocate_a_billion() -> None:
    rows = f'{HEADER}<row r="1048576">{text("XFD1048576", "far away")}</row>'
    with pytest.raises(TooLarge, match="1,048,576 rows"):
        read_keyword_table(workbook(rows))


@pytest.mark.parametrize(
    ("extra", "why"),
    [({"xl/media/bomb.bin": b"\0" * (60 * 1024 * 1024)}, "more than 50 MB"),
     ({"xl/media/bomb.bin": b"\0" * (20 * 1024 * 1024)}, "far more than its size"),
     ({f"xl/media/{number}.bin": b"x" for number in range(100)}, "more than 100 parts")],
)  # fmt: skip
def test_zip_bombs_are_refused_before_they_are_read(extra: dict[str, bytes], why: str) -> None:
    with pytest.raises(TooLarge, match=why):
        read_keyword_table(workbook(HEADER, extra))


def test_a_wrong_size_in_the_zip_is_detected() -> None:
    data = workbook(HEADER, {"xl/media/bomb.bin": b"\0" * (60 * 1024 * 1024)})
    true_size = (60 * 1024 * 1024).to_bytes(4, "little")
    with pytest.raises((TooLarge, Invalid)):
        read_keyword_table(data.replace(true_size, (100).to_bytes(4, "little")))


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"PK\x03\x04 and then nonsense", "damaged or protected"),
     (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "damaged or protected"),
     (b"%PDF-1.7\n1 0 obj\n", "a PDF document"),
     (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a picture")],
)  # fmt: skip
def test_files_without_a_table_are_refused_in_plain_words(data: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read_keyword_table(data)
