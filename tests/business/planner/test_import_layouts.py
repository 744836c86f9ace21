"""Layouts of files that people bring: each row becomes a keyword, is refused, or is left out with a reason."""

import random
import zipfile
from io import BytesIO
from typing import Any

import pytest

from app.business.errors import Invalid
from app.business.planner.services.keyword_table import KeywordTable, read_keyword_table
from tests.business.planner.test_keyword_file import MAIN, OFFICE, PACKAGE, text, workbook


def read(data: str | bytes, **corrections: Any) -> KeywordTable:
    return read_keyword_table(data.encode() if isinstance(data, str) else data, **corrections)


def keywords(table: KeywordTable) -> list[str]:
    return [row.values["keyword"] for row in table.rows]


LISTS = {
    "one keyword in each line": "best seo tools\nseo audit\nkeyword\nkeyword research\nlong tail terms\n",
    "commas within": "coffee, tea and cake\ntea, black\ncake, sweet\n",
    "windows lines": "oak table\r\npine table\r\n\r\nelm table\r\n",
}


@pytest.mark.parametrize("body", LISTS.values(), ids=LISTS)
def test_without_a_header_the_first_line_is_a_keyword(body: str) -> None:
    table = read(body)
    assert (table.header_row, keywords(table)) == (0, [line for line in body.splitlines() if line])


HEADERS = {
    "preamble with a known word": "Keyword,running shoes\nDate,12 May\n\nKeyword,Volume,KD\ntrail shoe,40,7\n",
    "title above unknown names": "Content plan autumn\n\nFocus phrase,Searches,Owner\ntrail shoe,40,Ann\n",
    "two lines above": "Keyword Stats 2026\n1 May - 30 May\nKeyword\tAvg. monthly searches\ntrail shoe\t40\n",
    "unknown names over figures": "Such;Menge\ntrail shoe;40\nwool sock;50\n",
}


@pytest.mark.parametrize("body", HEADERS.values(), ids=HEADERS)
def test_the_header_is_found_by_evidence(body: str) -> None:
    table = read(body)
    assert keywords(table)[0] == "trail shoe"
    above = sum(1 for line in body.splitlines()[: table.header_row - 1] if line)
    rows = sum(1 for line in body.splitlines() if line) - 1
    assert (len(table.left_out), len(table.rows) + len(table.left_out)) == (above, rows)


@pytest.mark.parametrize(
    ("end", "left"),
    [("Total: Account,9\n", 1), ("Total,90\n", 1), ("\nSource: keyword tool export 12 May 2026\n", 1),
     ("Keyword,Volume\n", 1), ("total war,9\n", 0), ("\nExported on 12 May 2026\nAll rights reserved\n", 2)],
)  # fmt: skip
def test_totals_and_notes_are_left_out_and_counted(end: str, left: int) -> None:
    table = read(f"Keyword,Volume\noak table,40\nelm table,50\npine table,60\n{end}")
    assert (len(table.rows), len(table.left_out)) == (4 - bool(left), left)


def test_wrong_bytes_refuse_a_line_not_the_file() -> None:
    lines = [*(f"{name},40".encode() for name in ("Keyword", "café", "thé", "gâteau")), b"cr\xe8me,40"]
    table = read(b"\n".join(lines).replace(b"Keyword,40", b"Keyword,Volume"))
    assert (table.encoding, keywords(table)) == ("utf-8", ["café", "thé", "gâteau"])
    assert [(error.row, "encoding" in error.message) for error in table.errors] == [(5, True)]


def test_a_figure_that_cannot_be_read_stays_empty_and_is_counted() -> None:
    table = read("Keyword,Volume,Difficulty\noak table,tbd,Medium\nelm table,100,easy\npine table,9,soon\n")
    assert table.unread == {"volume": 1, "difficulty": 1}
    assert [row.values.get("difficulty") for row in table.rows] == [50.0, 25.0, None]
    assert [note.row for note in table.notes] == [2, 4]


def test_the_search_term_comes_before_the_bid_and_loses_its_marks() -> None:
    table = read(
        "Search term,Match type,Keyword,Clicks,Impr.\noak dining table,Exact match,[oak table],3,40\n"
        '"[elm table]",Exact match,x,1,2\n+pine +table,Broad,y,1,2\n"""ash table""",Phrase,z,1,2\n'
    )
    assert keywords(table) == ["oak dining table", "elm table", "pine table", "ash table"]


def test_quotation_marks_of_searchers_are_kept() -> None:
    assert keywords(read('Top queries,Clicks\n"""oak table""",3\n')) == ['"oak table"']


@pytest.mark.parametrize(
    ("said", "main"),
    [
        ("Informational,Commercial,Transactional", "transactional"),
        ("i, n", "navigational"),
        ("Navigational, c", "commercial"),
    ],
)
def test_the_main_intent_goes_by_what_the_page_must_do(said: str, main: str) -> None:
    assert read(f'Keyword,Intent\noak,"{said}"\n').rows[0].values["intent"] == main


def test_intents_in_columns_of_their_own() -> None:
    table = read("Keyword,Informational,Commercial,Volume\noak,true,TRUE,4\nelm,true,false,5\n")
    assert [row.values["intent"] for row in table.rows] == ["commercial", "informational"]
    assert table.unknown_columns == []


def test_what_does_not_rank_has_no_position_and_a_page_number_is_no_address() -> None:
    table = read("Query,Position,Impressions,Page\noak,0,0,9\nelm,3,5,https://x.example/a\nash,2,0,\n")
    assert [row.values.get("position") for row in table.rows] == [None, 3.0, None]
    assert [row.values.get("url") for row in table.rows] == [None, "https://x.example/a", None]
    assert table.unread == {"url": 1}


def test_columns_that_are_not_imported_are_named() -> None:
    table = read("Keyword,Volume,Owner,\noak,4,Ann,x\n")
    assert table.unknown_columns == ["Owner", "Column 4"]


TOOLS = [
    ("Keyword", "Search vol.", "Keywords difficulty", "Current rank"),
    ("Keyword", "Search Volume (US)", "SD", "Ranking"),
    ("Keyword", "Monthly Vol", "Search Difficulty", "Rank"),
    ("Suchbegriff", "Durchschnittl. Suchanfragen pro Monat", "Schwierigkeit", "Durchschnittliche Position"),
    ("Mot clé", "Volume de recherche", "Difficulté", "Position moyenne"),
    ("Palabra clave", "Promedio de búsquedas mensuales", "Dificultad", "Posición media"),
    ("Parola chiave", "Media ricerche mensili", "Difficoltà", "Posizione"),
    ("Palavra-chave", "Média de pesquisas mensais", "Dificuldade", "Posição"),
    ("Zoekwoord", "Zoekvolume", "Moeilijkheid", "Positie"),
    ("Słowo kluczowe", "Popularność", "Trudność", "Pozycja"),
    ("キーワード", "月間平均検索ボリューム", "難易度", "掲載順位"),
    ("Target Keyword", "MSV", "KD", "Position"), ("Suggestion", "Volume", "KD (%)", "Pos"),
]  # fmt: skip


@pytest.mark.parametrize("names", TOOLS, ids=lambda names: names[1])
def test_names_of_tools_and_languages_are_known(names: tuple[str, ...]) -> None:
    table = read("\t".join(names) + "\noak table\t40\t7\t3\n")
    expected = {"keyword": "oak table", "volume": 40, "difficulty": 7.0, "position": 3.0}
    assert table.rows[0].values == expected


def test_the_header_row_can_be_chosen() -> None:
    body = "Keyword,Volume\noak table,40\nelm table,50\n"
    assert keywords(read(body, header_row=0)) == ["keyword", "oak table", "elm table"]
    later = read(body, header_row=2, columns={"keyword": "oak table"})
    assert (keywords(later), len(later.left_out)) == (["elm table"], 1)
    with pytest.raises(Invalid) as refusal:
        read(body, header_row=9)
    assert list(refusal.value.errors) == ["header_row"]


def book(sheets: dict[str, tuple[str, list[list[str]]]]) -> bytes:
    """A workbook of several sheets: name -> state and rows."""
    listed, links, parts = "", "", {}
    for number, (name, (state, rows)) in enumerate(sheets.items(), 1):
        listed += f'<sheet name="{name}" sheetId="{number}" state="{state}" r:id="r{number}"/>'
        links += f'<Relationship Id="r{number}" Type="{OFFICE}/worksheet" Target="worksheets/s{number}.xml"/>'
        cells = (
            f'<row r="{row}">'
            + "".join(text(f"{'ABCDEF'[at]}{row}", cell) for at, cell in enumerate(line))
            + "</row>"
            for row, line in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/s{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(cells)}</sheetData></worksheet>'
        )
    head = f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>'
    parts |= {
        "xl/workbook.xml": head,
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>',
    }
    return workbook("", {name: content.encode() for name, content in parts.items()})


QUERIES = [["Top queries", "Clicks"], ["oak table", "4"], ["elm table", "3"]]
CHART = [["Date", "Clicks"], ["2026-05-01", "4"], ["2026-05-02", "3"], ["2026-05-03", "3"]]


def test_the_sheet_with_keywords_is_proposed_and_all_are_offered() -> None:
    data = book({"Read me": ("visible", [["How to read this"]]), "Chart": ("visible", CHART),
                 "Old": ("hidden", [*QUERIES, ["ash", "9"]]), "Queries": ("visible", QUERIES)})  # fmt: skip
    table = read(data)
    assert (table.sheet, keywords(table)) == ("Queries", ["oak table", "elm table"])
    assert [(sheet.name, sheet.hidden) for sheet in table.sheets] == [
        ("Read me", False), ("Chart", False), ("Old", True), ("Queries", False)
    ]  # fmt: skip
    assert keywords(read(data, sheet="Old"))[-1] == "ash"
    with pytest.raises(Invalid) as refusal:
        read(data, sheet="New")
    assert list(refusal.value.errors) == ["sheet"]


def ods(rows: list[list[str]], **row_attributes: str) -> bytes:
    """An OpenDocument spreadsheet of one sheet. row_attributes: `r2` is what the second row says of itself."""
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    lines = (
        f"<table:table-row {row_attributes.get(f'r{number}', '')}>{''.join(map(cell.format, row))}</table:table-row>"
        for number, row in enumerate(rows, 1)
    )
    sheet = f'<table:table table:name="Words">{"".join(lines)}</table:table>'
    body = f"<office:body><office:spreadsheet>{sheet}</office:spreadsheet></office:body>"
    content = f"<office:document-content {names}>{body}</office:document-content>"
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)
    return stream.getvalue()


def test_an_opendocument_sheet_is_read() -> None:
    table = read(ods([["Keyword", "Volume"], ["oak table", "1 200"], ["elm table", "40"]]))
    assert (table.encoding, table.sheet, table.rows[0].values["volume"]) == ("ods", "Words", 1200)
    assert keywords(table) == ["oak table", "elm table"]


def test_hidden_rows_of_an_opendocument_sheet_are_counted() -> None:
    rows = [
        ["Keyword", "Volume"],
        [],
        ["oak table", "12"],
        ["elm table", "40"],
        ["ash", "1"],
        ["pine", "2"],
        [],
    ]
    hidden = 'table:visibility="{}"'.format
    data = ods(
        rows,
        r2='table:number-rows-repeated="2"',
        r4=hidden("filter"),
        r5=f"{hidden('collapse')} table:style-name='ro1'",
        r7=f'{hidden("collapse")} table:number-rows-repeated="1048000"',
    )
    table = read(data)
    assert (keywords(table), table.hidden_rows) == (["oak table", "elm table", "ash", "pine"], 2)
    assert read(ods(rows[:1] + rows[2:6])).hidden_rows == 0


WORDS = ("oak", "pine", "elm", "żółty", "crème", "größe", "niño", "机", "テーブル", "table", "chair", "lamp")
PREAMBLES = [[], ["Report of May"], ["Report of May", ""], ["Export 2026", "1 May - 30 May"]]
FOOTERS = [[], ["Total: all"], ["", "Source: a tool"]]


def test_a_random_table_comes_back_the_same_in_any_dialect() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        separator, end = rng.choice("\t;,|"), rng.choice(["\n", "\r\n"])
        names = rng.choice(TOOLS)[:3]
        rows = {
            f"{rng.choice(WORDS)} {rng.choice(WORDS)} {number}": (rng.randrange(90_000), rng.randrange(100))
            for number in range(rng.randrange(1, 30))
        }
        mark = rng.choice(["", " ", ","]) if separator != "," else rng.choice(["", " "])
        lines = [
            separator.join((word, f"{volume:,}".replace(",", mark), str(kd)))
            for word, (volume, kd) in rows.items()
        ]
        above, below = rng.choice(PREAMBLES), rng.choice(FOOTERS)
        body = end.join([*above, separator.join(names), *lines, *below, ""])
        table = read(body.encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"])))
        found = {
            row.values["keyword"]: (row.values["volume"], row.values["difficulty"]) for row in table.rows
        }
        assert found == rows, (seed, body)
        assert len(table.left_out) == sum(1 for line in above + below if line), (seed, body)
