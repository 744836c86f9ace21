"""Files as people bring them, sent to the API and read back: each line is accounted for, nothing is lost unseen."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.planner.models import Site
from tests.business.planner.test_import_layouts import CHART, QUERIES, book, ods
from tests.business.planner.test_keyword_file import text, workbook
from tests.factories import make_sector, make_site
from tests.modules.test_import_page import send
from tests.people import People, make_people, program_of

KEYWORDS = "/api/planner/keywords/"


@dataclass(frozen=True)
class Brought:
    """One file. lines: those with something in them, without the line of names · says: what the answer has beside the
    counts · reads: what the keywords read back are, by text.
    """

    name: str
    data: bytes
    lines: int
    reads: dict[str, dict[str, Any]]
    says: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)


def lines(*rows: str, encoding: str = "utf-8") -> bytes:
    return "\n".join((*rows, "")).encode(encoding)


def plain(*texts: str) -> dict[str, dict[str, Any]]:
    return {text: {} for text in texts}


SHEETS = {"Read me": ("visible", [["How to read this"]]), "Chart": ("visible", CHART),
          "Old": ("hidden", [*QUERIES, ["ash table", "9"]]), "Queries": ("visible", QUERIES)}  # fmt: skip
PLAN = [["Content plan autumn"], [], ["Focus phrase", "Searches", "Owner"], ["oak table", "40", "Ann"]]
ODD = "".join(
    f'<row r="{number}"{hidden}>{cells}</row>'
    for number, hidden, cells in (
        (1, "", text("A1", "Keyword") + text("B1", "Volume") + text("C1", "Topic")),
        (2, "", text("A2", "oak table") + '<c r="B2"><v>40</v></c>' + text("C2", "Tables")),
        (3, ' hidden="1"', text("A3", "elm table") + '<c r="B3"><v>50</v></c>'),
        (4, "", text("A4", "x" * 4_000) + '<c r="B4"><v>50</v></c>'),
        (5, "", text("A5", "ash table") + '<c r="B5"><f>B2+B3</f></c>'),
    )
)
FILES = [
    Brought("Search Console's workbook", book(SHEETS), 2, {"oak table": {"clicks": 4}, "elm table": {"clicks": 3}},
            {"sheets": [("Read me", False, False), ("Chart", False, False), ("Old", True, False),
                        ("Queries", False, True)]}),
    Brought("its hidden sheet, chosen", book(SHEETS), 3, plain("oak table", "elm table", "ash table"),
            sent={"sheet": "Old"}),
    Brought("search terms beside bids",
            lines("Search term,Match type,Keyword,Clicks,Impr.", "oak dining table,Exact match,[oak table],3,40",
                  "elm bench,Broad match,+elm +bench,1,9"), 2,
            {"oak dining table": {"clicks": 3, "impressions": 40, "match_type": "Exact match"}, "elm bench": {}}),
    Brought("bids alone", lines("Keyword,Clicks", "[oak table],3", "\"\"\"elm table\"\"\",4", "+ash +table,5"), 3,
            {"oak table": {"match_type": "exact"}, "elm table": {"match_type": "phrase"}, "ash table": {}}),
    Brought("totals and a footer",
            lines("Keyword,Clicks", "oak table,4", "elm table,5", "ash table,6", "Total: Account,15", "",
                  "Source: keyword tool export 12 May 2026"), 5, plain("oak table", "elm table", "ash table"),
            {"left_out": 2}),
    Brought("one stray byte",
            "Keyword,Volume\ncafé,40\nthé,50\ngâteau,60\n".encode() + b"cr\xe8me,40\n", 4,
            plain("café", "thé", "gâteau"), {"rejected": 1, "encoding": "utf-8"}),
    Brought("figures that are none", lines("Keyword,Volume,Difficulty", "oak table,100,Medium", "elm table,tbd,7"), 2,
            {"oak table": {"volume": 100, "difficulty": 50.0}, "elm table": {"volume": None, "difficulty": 7.0}},
            {"unread": {"volume": 1}}),
    Brought("names of a small tool", lines("Primary Keyword\tSearch vol.\tKeywords difficulty\tCurrent rank\tOwner",
                                           "oak table\t40\t7\t3\tAnn"), 1,
            {"oak table": {"volume": 40, "difficulty": 7.0, "position": 3.0}}, {"unknown_columns": ["Owner"]}),
    Brought("intents in columns", lines("Keyword,Informational,Transactional", "oak table,true,TRUE",
                                        "elm table,true,false"), 2,
            {"oak table": {"intent": "transactional", "intents": ["transactional", "informational"]},
             "elm table": {"intent": "informational"}}),
    Brought("German Keyword Planner", lines("Suchbegriff;Durchschnittl. Suchanfragen pro Monat", "eichentisch;1.300",
                                            encoding="cp1252"), 1, {"eichentisch": {"volume": 1300}}),
    Brought("Japanese Search Console", lines("上位のクエリ,クリック数,表示回数,掲載順位", "机,4,50,3.2"), 1,
            {"机": {"clicks": 4, "impressions": 50, "position": 3.2}}),
    Brought("a list whose words are names of columns",
            lines("best seo tools", "seo audit", "keyword", "keyword research", "long tail terms"), 5,
            plain("best seo tools", "seo audit", "keyword", "keyword research", "long tail terms"), {"header_row": 0}),
    Brought("a preamble that begins like a header",
            lines("Keyword,running shoes", "Date,12 May", "", "Keyword,Volume,KD", "trail shoe,40,7"), 3,
            {"trail shoe": {"volume": 40}}, {"left_out": 2, "header_row": 4}),
    Brought("an OpenDocument sheet", ods([["Keyword", "Volume"], ["oak table", "1 200"]]), 1,
            {"oak table": {"volume": 1200}}, {"encoding": "ods"}),
    Brought("a title above unknown names", book({"Plan": ("visible", PLAN)}), 2, {"oak table": {}},
            {"left_out": 1, "header_row": 3, "unknown_columns": ["Owner"]}),
    Brought("names that only the sender knows", lines("Was,Wieviel", "oak table,40", "elm table,50"), 2,
            {"oak table": {"volume": 40}, "elm table": {"volume": 50}},
            sent={"columns": '{"keyword": "Was", "volume": "Wieviel"}', "header_row": "1"}),
    Brought("odd cells", workbook(ODD), 4, {"oak table": {"volume": 40}, "elm table": {}, "ash table": {}},
            {"rejected": 1, "hidden_rows": 1}),
    Brought("UTF-16 with tabs and lines above",
            lines("Keyword Stats 2026", "1 May - 30 May", "Keyword\tAvg. monthly searches", "oak table\t1,300",
                  encoding="utf-16"), 3, {"oak table": {"volume": 1300}}, {"left_out": 2}),
    Brought("figures of what does not rank",
            lines("Query,Position,Impressions,Page", "oak table,0,0,9", "elm table,3,5,https://x.example/a"), 2,
            {"oak table": {"position": None, "url": ""}, "elm table": {"position": 3.0}}, {"unread": {"url": 1}}),
    Brought("what tools add", lines("Keyword,Volume,Parent Keyword,Traffic potential,SERP Features",
                                    'oak table,40,oak furniture,900,"Image pack, Sitelinks"'), 1,
            {"oak table": {"parent_keyword": "oak furniture", "traffic_potential": 900,
                           "serp_features": ["Image pack", "Sitelinks"]}}),
    Brought("repeats within the file", lines("Keyword,Volume", "oak table,40", "Oak  Table,50", ",7"), 3,
            {"oak table": {"volume": 40}}, {"duplicates": 1, "rejected": 1}),
]  # fmt: skip


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def site(session: Session, people: People) -> Site:
    site = make_site(session, people.account)
    make_sector(session, site)
    session.commit()
    return site


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_line_becomes_a_keyword_or_is_counted(api: FlaskClient, site: Site, file: Brought) -> None:
    answer = send(api, file.data, site=site.id, **file.sent)
    assert answer.status_code == 201, answer.text
    found = answer.json | {
        "sheets": [(one["name"], one["hidden"], one["chosen"]) for one in answer.json["sheets"]]
    }
    counts = {name: found[name] for name in ("created", "duplicates", "rejected", "left_out")}
    assert sum(counts.values()) == file.lines, counts
    assert {name: found[name] for name in file.says} == file.says
    assert len(found["errors"]) == found["rejected"]
    keywords = {one["text"]: one for one in json.loads(api.get(f"{KEYWORDS}?limit=200").text)["results"]}
    assert keywords.keys() == file.reads.keys()
    read = {text: {name: keywords[text][name] for name in wanted} for text, wanted in file.reads.items()}
    assert read == file.reads
