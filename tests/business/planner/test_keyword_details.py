"""What keyword tools say beside the figures: kept as fields, whole lines refused alone, sheets read as they look."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.errors import Invalid
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_service import update_keyword
from app.business.planner.services.keyword_table import KeywordTable, NoKeywordColumn, read_keyword_table
from tests.business.planner.stories import person, sector_of_new_account
from tests.business.planner.test_keyword_file import HEADER, MAIN, text, workbook

DETAILS = ("intents", "parent_keyword", "traffic_potential", "serp_features", "match_type")
EXPORT = (
    "Keyword,Volume,Intents,Parent Keyword,Traffic potential,SERP Features\n"
    'bee hive kit,2900,"Informational, Commercial",Bee  Hive,1.2K,"Sitelinks, Image pack,Sitelinks"\n'
    "bee suit,90,,,,\n"
    "bee smoker,40,informational,-,n/a,3\n"
)


def read(data: str, **corrections: Any) -> KeywordTable:
    return read_keyword_table(data.encode(), **corrections)


def details(row: Any) -> list[Any]:
    return [getattr(row, name) for name in DETAILS]


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


def keyword(session: Session, words: str) -> Keyword:
    session.expire_all()
    return session.scalars(select(Keyword).where(Keyword.text == words)).one()


def test_what_tools_say_is_kept_with_the_keyword(session: Session, sector: Sector, now: datetime) -> None:
    table = read(EXPORT)
    assert table.unknown_columns == []
    result = import_keywords(session, table, site=sector.site, sector=sector, origin=person(sector), now=now)
    assert (result.created, result.rejected, table.unread) == (3, 0, {})
    kit = keyword(session, "bee hive kit")
    assert details(kit) == [
        ["commercial", "informational"], "bee hive", 1200, ["Sitelinks", "Image pack"], "",
    ]  # fmt: skip
    assert (kit.intent, kit.serp_features_folded) == ("commercial", ["sitelinks", "image pack"])
    assert details(keyword(session, "bee suit")) == [[], "", None, [], ""]
    assert details(keyword(session, "bee smoker")) == [["informational"], "", None, [], ""]


def test_a_later_file_changes_what_it_says_and_keeps_the_rest(
    session: Session, sector: Sector, now: datetime
) -> None:
    by: dict[str, Any] = {"site": sector.site, "sector": sector, "origin": person(sector), "now": now}
    import_keywords(session, read(EXPORT), **by)
    later = read("Keyword,Intents,SERP Features\nbee hive kit,Transactional,Video\nbee suit,,\n")
    assert import_keywords(session, later, **by).updated == 1
    kit = keyword(session, "bee hive kit")
    assert details(kit) == [["transactional"], "bee hive", 1200, ["Video"], ""]
    assert (kit.intent, kit.intents_folded) == ("transactional", ["transactional"])
    assert import_keywords(session, later, **by).updated == 0


@pytest.mark.parametrize(
    ("header", "cell", "kept"),
    [
        ("Search term,Match type", "oak table,Exact match", "Exact match"),
        ("Search term,Match type", "[oak table],", "exact"),
        ("Suchbegriff,Übereinstimmungstyp", '"""oak table""",', "phrase"),
        ("Keyword,Clicks", "[oak table],3", "exact"),
        ("Search term,Match type", "+oak +table,", "broad"),
        ("Keyword,Clicks", "oak table,3", None),
    ],
)
def test_the_match_type_is_kept_when_its_marks_go(header: str, cell: str, kept: str | None) -> None:
    (row,) = read(f"{header}\n{cell}\n").rows
    assert (row.values["keyword"], row.values.get("match_type")) == ("oak table", kept)


def test_intents_in_columns_of_their_own_are_all_kept() -> None:
    table = read("Keyword,Informational,Commercial,Volume\noak,true,TRUE,4\nelm,true,false,5\n")
    assert [row.values["intents"] for row in table.rows] == [
        ["commercial", "informational"],
        ["informational"],
    ]


@pytest.mark.parametrize("long", ["x" * 140_000, "oak " * 35_000, '"' + "x" * 140_000 + '"'])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_cell_that_is_far_too_long_costs_its_own_line_at_most(long: str, place: int) -> None:
    cells = ["elm table", "5", "b"]
    cells[place] = long
    table = read(f'Keyword,Volume,Notes\noak table,3,"two\nlines"\n{",".join(cells)}\nash table,4,c\n')
    kept = [row.values["keyword"] for row in table.rows]
    if place == 0:
        assert (kept, len(table.errors)) == (["oak table", "ash table"], 1)
        assert "255" in table.errors[0].message
    else:
        assert (kept, table.errors) == (["oak table", "elm table", "ash table"], [])
        assert table.unread == ({"volume": 1} if place == 1 else {})
    assert all(len(note.message) < 300 for note in table.notes)


def test_a_wrong_column_says_so_and_offers_those_that_are_there() -> None:
    with pytest.raises(NoKeywordColumn) as refusal:
        read("Phrase,Searches\noak table,3\n", columns={"keyword": "Nope"})
    assert isinstance(refusal.value, Invalid)
    assert "no column “Nope”" in refusal.value.errors["columns.keyword"][0]
    assert refusal.value.headers == ["Phrase", "Searches"]


def test_topics_merged_over_rows_stand_beside_each_keyword() -> None:
    rows = "".join(
        f'<row r="{number}">{text(f"A{number}", topic)}{text(f"B{number}", words)}</row>'
        for number, topic, words in (
            (1, "Sector", "Keyword"),
            (2, "Tables", "oak table"),
            (5, "Beds", "oak bed"),
        )
    )
    rows += "".join(f'<row r="{number}">{text(f"B{number}", f"table {number}")}</row>' for number in (3, 4))
    merged = '<mergeCells><mergeCell ref="A2:A4"/></mergeCells>'
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{merged}</worksheet>'
    table = read_keyword_table(workbook(rows, {"xl/worksheets/sheet1.xml": sheet.encode()}))
    assert [row.values["sector"] for row in table.rows] == ["Tables", "Tables", "Tables", "Beds"]


def test_rows_that_a_filter_hides_are_counted() -> None:
    rows = HEADER + "".join(
        f'<row r="{number}"{hidden}>{text(f"A{number}", f"oak {number}")}<c r="B{number}"><v>5</v></c></row>'
        for number, hidden in ((2, ""), (3, ' hidden="1"'), (4, " ht='3' hidden='true'"), (5, ' hidden="0"'))
    )
    table = read_keyword_table(workbook(rows))
    assert (len(table.rows), table.hidden_rows) == (4, 2)
    assert read("Keyword\noak\n").hidden_rows == 0


def test_details_are_checked_and_tidied_when_they_are_edited(
    session: Session, sector: Sector, now: datetime
) -> None:
    import_keywords(session, read(EXPORT), site=sector.site, sector=sector, origin=person(sector), now=now)
    kit, by = keyword(session, "bee hive kit"), {"origin": person(sector), "now": now}
    changes = {"intents": ["informational", "commercial"], "serp_features": [" Video ", "Video", ""]}
    update_keyword(session, kit, changes, **by)
    assert (kit.intents, kit.serp_features) == (["commercial", "informational"], ["Video"])
    for wrong in ({"intents": ["buy"]}, {"serp_features": ["x" * 65]}, {"traffic_potential": -1}):
        with pytest.raises(Invalid):
            update_keyword(session, kit, wrong, **by)
