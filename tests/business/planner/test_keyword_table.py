"""Real keyword exports: read by their bytes, each row imported or refused with a sentence."""

from pathlib import Path

import pytest

from app.business.errors import Invalid, TooLarge
from app.business.planner.services.keyword_table import KeywordTable, read_keyword_table

FILES = Path(__file__).parents[2] / "data" / "keywords"


def read(name: str) -> KeywordTable:
    return read_keyword_table((FILES / name).read_bytes())


def values(table: KeywordTable) -> list[dict[str, object]]:
    return [row.values for row in table.rows]


def test_keyword_planner_is_utf16_with_tabs_and_two_lines_above_its_header() -> None:
    table = read("keyword_planner.csv")
    assert (table.encoding, table.separator, table.header_row) == ("utf-16", "\t", 3)
    assert table.columns == {"keyword": "Keyword", "volume": "Avg. monthly searches"}
    assert [row.values.get("volume") for row in table.rows] == [12_100, 55, None, 5_500]
    assert [row.row for row in table.rows] == [4, 5, 6, 7]


def test_ahrefs_download_keeps_empty_figures_empty_and_tidies_keywords() -> None:
    table = read("ahrefs_matching_terms.csv")
    assert values(table)[0] == {
        "keyword": "bee hive kit", "volume": 2900, "difficulty": 7.0, "cpc": 0.6, "country": "gb",
        "parent_keyword": "bee hive", "serp_features": ["Sitelinks", "Image pack"],
    }  # fmt: skip
    assert values(table)[1] == {"keyword": "bee hive stand", "volume": 150, "country": "gb"}


def test_semrush_positions_give_current_position_currency_header_and_first_intent() -> None:
    table = read("semrush_positions.csv")
    assert table.columns["cpc"] == "CPC (USD)"
    assert values(table)[0] == {
        "keyword": "sour dough starter", "position": 3.0, "volume": 9900, "difficulty": 41.0, "cpc": 0.34,
        "url": "https://bread.example/starter", "intent": "commercial",
        "intents": ["commercial", "informational"],
    }  # fmt: skip


def test_search_console_comparison_gives_the_recent_period() -> None:
    table = read("search_console_compare.csv")
    assert table.columns["clicks"] == "Last 28 days Clicks"
    assert values(table)[0] == {
        "keyword": "kayak rental lisbon", "position": 1.25, "clicks": 1204, "impressions": 48_000
    }  # fmt: skip


def test_european_excel_has_semicolons_decimal_commas_and_its_own_sector_column() -> None:
    table = read("european_excel.csv")
    assert table.separator == ";"
    assert values(table)[0] == {
        "keyword": "buty zimowe", "volume": 1200, "difficulty": 12.5, "cpc": 0.45, "intent": "commercial",
        "intents": ["commercial"], "sector": "Obuwie",
    }  # fmt: skip
    assert values(table)[1]["cpc"] == 1.234


@pytest.mark.parametrize(
    ("name", "header"), [("search_console.csv", "Top queries"), ("keyword_tool_api.csv", "text")]
)
def test_other_tools_name_the_keyword_column_their_own_way(name: str, header: str) -> None:
    assert read(name).columns["keyword"] == header


def test_ragged_rows_are_read_and_bad_rows_are_named_by_their_line() -> None:
    table = read("team_sheet.csv")
    assert [row.values["keyword"] for row in table.rows] == [
        "meal prep boxes", "meal plan app", "meal prep ideas", "meal prep boxes",
        "meal kit volume", "meal kit price",
    ]  # fmt: skip
    assert [(error.row, error.message) for error in table.errors] == [
        (6, "The keyword is empty."),
        (7, "The keyword cannot be taken. It holds a control character. Remove it and try again."),
    ]
    assert table.unread == {"volume": 2}
    assert [(note.row, note.message) for note in table.notes] == [
        (8, "Volume left empty: “many” is not a number."),
        (10, "Volume left empty: “-4” is out of range."),
    ]


def test_columns_can_be_corrected_by_hand() -> None:
    data = b"phrase,keyword,hits\nred shoe,abc,40\n"
    table = read_keyword_table(data, columns={"keyword": "phrase", "volume": "hits"})
    assert values(table) == [{"keyword": "red shoe", "volume": 40}]
    ignored = read_keyword_table(b"keyword,volume\na,5\n", columns={"volume": ""})
    assert ignored.columns == {"keyword": "keyword"}


@pytest.mark.parametrize(
    ("columns", "path"),
    [({"volume": "Hits"}, "columns.volume"), ({"colour": "keyword"}, "columns.colour"),
     ({"keyword": "Phrase"}, "columns.keyword"), ({"keyword": ""}, "columns.keyword")],
)  # fmt: skip
def test_a_correction_that_does_not_fit_the_file_is_refused_by_name(
    columns: dict[str, str], path: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        read_keyword_table(b"keyword,volume\na,5\n", columns=columns)
    assert list(refusal.value.errors) == [path]


def test_a_file_without_keywords_is_refused_with_what_it_has() -> None:
    with pytest.raises(
        Invalid, match=r"Nothing in this file looks like keywords\. The first line has: “4”, “5”"
    ):
        read_keyword_table(b"4,5\n6,7\n")
    with pytest.raises(Invalid, match="The file is empty"):
        read_keyword_table(b"\n\n")


def test_an_open_quotation_mark_affects_its_own_row_only() -> None:
    table = read_keyword_table(b'keyword,volume\n"lost,5\nfound,6\n')
    assert values(table) == [{"keyword": "found", "volume": 6}]
    assert [error.row for error in table.errors] == [2]


def test_a_quoted_cell_may_hold_separators_and_line_breaks() -> None:
    table = read_keyword_table(b'keyword,note\n"shoes,\nred",x\nboots,y\n')
    assert [(row.row, row.values["keyword"]) for row in table.rows] == [(2, "shoes, red"), (3, "boots")]


def test_more_than_five_megabytes_or_fifty_thousand_rows_are_too_large() -> None:
    with pytest.raises(TooLarge, match="at most 5 MB"):
        read_keyword_table(b"keyword\n" + b"x" * (5 * 1024 * 1024))
    many = "keyword\n" + "\n".join(f"word {number}" for number in range(50_001))
    with pytest.raises(TooLarge, match="50,000"):
        read_keyword_table(many.encode())
    assert len(read_keyword_table(many.rsplit("\n", 1)[0].encode()).rows) == 50_000
