"""Files are read within limits on time, memory and number, whatever they unpack to."""

import random

import pytest

from app.business.errors import Busy, Invalid, TooLarge
from app.business.planner.services.import_file import FileChoices, read_rows, unpack_lines
from app.business.planner.services.keyword_table import NoKeywordColumn
from app.infrastructure import file_reader
from app.infrastructure.file_reader import read_in_bounds
from tests.business.planner.test_keyword_file import HEADER, MAIN, OFFICE, PACKAGE, text, workbook

HERE = FileChoices({}, site=(7, "en"), one_sector=True)
BY_NAME = FileChoices({}, sites={"sock republic": (7, "en"), "moda": (8, "tr")})


def long(body: str) -> bytes:
    """The text with blanks, so that it is read by a child."""
    return body.encode() + b"\n" * file_reader.SMALL_TEXT


@pytest.mark.parametrize("choices", [HERE, BY_NAME])
def test_a_child_reads_what_this_process_reads(choices: FileChoices) -> None:
    body = "keyword,volume,site,sector\nRed  IRIS,5,Sock Republic,New\nred iris,6,MODA,New\n,1,,\nx,many,,\ny,1,No,\n"
    here, child = read_in_bounds(body.encode(), choices), read_in_bounds(long(body), choices)
    assert here == child
    found = list(read_rows(unpack_lines(child.rows)))
    assert found[0].key == "red iris"
    assert (child.found, child.repeats, len(child.errors)) == ((4, 1, 1) if choices is HERE else (2, 0, 3))


def test_refusals_of_a_child_are_those_of_this_process() -> None:
    with pytest.raises(NoKeywordColumn) as refusal:
        read_in_bounds(long("4,5\n6,7\n"), HERE)
    assert refusal.value.headers == ["4", "5"]
    with pytest.raises(Invalid) as wrong:
        read_in_bounds(long("keyword\na\n"), FileChoices({"volume": "hits"}, site=(7, "en")))
    assert list(wrong.value.errors) == ["columns.volume"]
    with pytest.raises(TooLarge, match="500 columns"):
        read_in_bounds(long("keyword" + "," * 600 + "\n"), HERE)


def bomb() -> bytes:
    """Forty thousand cells that all say the same long text: 50 GB in memory, 1 MB in the file."""
    said = random.Random(1).randbytes(640_000).hex()
    cells = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(2, 40_002))
    strings = f'<sst xmlns="{MAIN}" count="1" uniqueCount="1"><si><t>{said}</t></si></sst>'
    links = "".join(
        f'<Relationship Id="{id}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for id, kind, target in (
            ("r1", "worksheet", "worksheets/sheet1.xml"), ("r2", "sharedStrings", "sharedStrings.xml")
        )
    )  # fmt: skip
    parts = {
        "xl/sharedStrings.xml": strings.encode(),
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>',
    }
    return workbook(HEADER + cells, parts)  # type: ignore[arg-type]


def test_a_workbook_that_grows_in_memory_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TooLarge, match="more time or memory"):
        read_in_bounds(bomb(), HERE)
    assert "was not read, exit code" in caplog.text


def test_a_file_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reader, "SECONDS_LIMIT", 1)
    many = "".join(f"mot été numéro {number} à la crème,{number}\n" for number in range(49_000))
    with pytest.raises(TooLarge, match="more time or memory"):
        read_in_bounds(long("keyword,volume\n" + many), HERE)


def test_few_files_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reader, "QUEUE_SECONDS", 0)
    held = [file_reader._free.acquire() for _ in range(file_reader.AT_ONCE)]
    try:
        with pytest.raises(Busy):
            read_in_bounds(long("keyword\na\n"), HERE)
        assert read_in_bounds(b"keyword\na\n", HERE).found == 1
    finally:
        for _ in held:
            file_reader._free.release()
    assert read_in_bounds(long("keyword\na\n"), HERE).found == 1


def test_a_wide_sheet_is_refused() -> None:
    wide = f'{HEADER}<row r="2">{text("ABC2", "far right")}</row>'
    with pytest.raises(TooLarge, match="731 columns"):
        read_in_bounds(workbook(wide), HERE)
