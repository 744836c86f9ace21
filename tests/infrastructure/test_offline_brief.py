"""Briefs made without an AI connection: honest, different from each other, in the site's language."""

import csv
import itertools
import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.events import Origin
from app.business.planner.models import Cluster, Idea, Sector
from app.business.planner.services.ideas_service import CONTENT_TYPES, IdeasService
from app.business.planner.services.search_words import LANGUAGES
from app.business.writer.models import Content
from app.business.writer.services.article_html import from_markdown
from app.business.writer.services.content_service import ContentGenerationService
from app.business.writer.services.site_pages import WRITTEN_PAGES
from app.infrastructure.ai.brief_labels import ASPECTS, labels_of
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.ai.offline_brief import draft_brief
from app.infrastructure.ai.search_groups import merged
from tests.business.planner.stories import sector_of_new_account
from tests.factories import make_cluster, make_content, make_idea, make_keyword, make_task

EXPORT = Path(__file__).parents[1] / "data" / "keywords" / "site_groups.csv"
SENTENCE = re.compile(r"[.!?]\s+|[.!?]$")
TAG = re.compile(r"<[^>]+>")
ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "what how the and for page pages keyword keywords search searches question questions answer answers fact facts "
        "price cost costs title titles length words month intent guide list review comparison article basics steps "
        "mistakes tips overview summary examples choose find out link spellings",
    )
)
NATIVE = {
    "fr": {"questions", "article", "guide", "pages", "page", "for"},
    "de": {"list"},
    "nl": {"tips", "review"},
}
"""Words of that language which are spelled like English ones."""


def clusters_of_export(session: Session, sector: Sector) -> list[Cluster]:
    groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
    with EXPORT.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            groups[row["Group"]].append((row["Keyword"], int(row["Volume"])))
    made = []
    for name, keywords in groups.items():
        cluster = make_cluster(session, sector, name=name, main_keyword=name, status="new")
        for text, volume in keywords:
            values = {"text": text, "volume": volume, "status": "clustered", "cluster_id": cluster.id}
            make_keyword(session, sector, **values)
        made.append(cluster)
    return made


def brief_of(session: Session, idea: Idea, now: datetime, words: int = 1000) -> Content:
    service = ContentGenerationService(OfflineModel())
    values = {"title": idea.title, "brief": idea.description, "main_keyword": idea.main_keyword}
    task = make_task(session, idea.sector, idea_id=idea.id, status="queued", word_count=words, **values)
    origin = Origin(account_id=idea.account_id, run_id=7, unit_key=f"r7-s0-{task.id}")
    request = service.read(session, task.id, origin=origin, now=now)
    return service.save(session, service.generate(request, "k"), origin=origin, now=now)


def headings(html: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", html)


def lines(html: str) -> set[str]:
    """Its sentences: what stands in a block of its own, with five words or more; cells of tables are none."""
    text = re.sub(r"<table>.*?</table>", "", html, flags=re.DOTALL)
    blocks = (TAG.sub(" ", block) for block in re.split(r"</(?:p|li|h\d)>", text))
    said = (part.strip() for block in blocks for part in SENTENCE.split(block))
    return {part for part in said if len(part.split()) >= 5}


def overlap(one: list[str], other: list[str]) -> float:
    return len(set(one) & set(other)) / min(len(one), len(other))


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session, language="en")


def test_briefs_of_a_site_share_no_sentence_and_hardly_a_heading(
    session: Session, sector: Sector, now: datetime
) -> None:
    ideas = IdeasService(OfflineModel(), WRITTEN_PAGES)
    pages: list[tuple[Cluster, Content]] = []
    for cluster in clusters_of_export(session, sector):
        origin = Origin(account_id=sector.account_id, run_id=6, unit_key=f"r6-s0-{cluster.id}")
        request = ideas.read(session, sector.account_id, cluster.id, count=5)
        found = ideas.save(session, ideas.generate(request, "k"), origin=origin, now=now)
        pages += [(cluster, brief_of(session, idea, now)) for idea in found.ideas]
    assert len(pages) >= 40
    for _, content in pages:
        assert 5 <= len(headings(content.html)) <= 12
        assert len(set(headings(content.html))) == len(headings(content.html))
    said = [lines(content.html) for _, content in pages]
    repeated = [one & other for one, other in itertools.combinations(said, 2) if one & other]
    assert repeated == []
    for (cluster, one), (also, other) in itertools.combinations(pages, 2):
        if cluster is also:
            assert overlap(headings(one.html), headings(other.html)) <= 0.3


def test_a_brief_names_the_searches_of_its_cluster(session: Session, sector: Sector, now: datetime) -> None:
    for cluster in clusters_of_export(session, sector):
        name = cluster.name
        idea = make_idea(session, sector, cluster_id=cluster.id, title=name, main_keyword=name)
        with EXPORT.open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["Group"] == name]
        html = brief_of(session, idea, now).html
        volume = sum(int(row["Volume"]) for row in rows)
        assert f"<td>Keywords in the cluster</td>\n<td>{len(rows)}</td>" in html
        assert f"<td>Searches a month</td>\n<td>{volume:,}</td>" in html
        shown = TAG.sub(" ", html)
        assert [row["Keyword"] for row in rows if row["Keyword"] not in shown] == []


@pytest.mark.parametrize("kind", CONTENT_TYPES)
@pytest.mark.parametrize(("words", "most"), [(300, 5), (1000, 6), (2500, 12), (10_000, 12)])
def test_each_kind_of_page_has_sections_of_its_own(
    session: Session, sector: Sector, now: datetime, kind: str, words: int, most: int
) -> None:
    cluster = clusters_of_export(session, sector)[0]
    values = {"cluster_id": cluster.id, "content_type": kind, "main_keyword": cluster.name}
    html = brief_of(session, make_idea(session, sector, title="Itching", **values), now, words).html
    labels = labels_of("en")
    assert labels
    named = [labels.aspects[aspect].heading for aspect in ASPECTS[kind]]
    assert 5 <= len(headings(html)) <= most
    assert headings(html)[0].endswith(named[0])
    assert labels.kinds[kind] in html


def test_questions_pages_and_facts_stand_after_the_sections(
    session: Session, sector: Sector, now: datetime
) -> None:
    cluster = clusters_of_export(session, sector)[0]
    url = "https://site.example/menopause-cream"
    make_content(session, sector, title="Menopause cream", published_url=url, status="published")
    make_content(session, sector, title="Menopause plan", outline=True)
    idea = make_idea(session, sector, cluster_id=cluster.id, main_keyword=cluster.name, title="Itching")
    html = brief_of(session, idea, now).html
    closing = html.split("<hr>")[1]
    assert "<h2>" not in closing
    for title in (
        "Questions to answer",
        "Keywords",
        "Own pages to link",
        "Facts to find out",
        "Title options",
    ):
        assert f"<h3>{title}</h3>" in closing
    assert f'href="{url}"' in closing
    assert "Menopause plan" not in closing
    assert "price, date, source" in closing


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_other_languages_have_no_english_words(language: str) -> None:
    labels = labels_of(language)
    assert labels
    english = labels_of("en")
    assert english
    assert labels.aspects.keys() == english.aspects.keys()
    text = " ".join(
        [
            *(value for value in labels.model_dump().values() if isinstance(value, str)),
            *labels.kinds.values(),
            *labels.intents.values(),
            *(f"{one.heading} {one.answer}" for one in labels.aspects.values()),
        ]
    )
    found = set(re.findall(r"\w+", text.lower())) & ENGLISH
    assert found - NATIVE.get(language, set()) == set()


@pytest.mark.parametrize("language", [*LANGUAGES[1:], "fi", "de-AT"])
@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_the_searches_are_the_only_foreign_words(language: str, kind: str) -> None:
    searches = ["qqqa", "qqqb qqqa", "qqqc qqqa", "qqqd qqqa"]
    facts = facts_of(language, searches, content_type=kind)
    body = draft_brief(facts, {})["body"]
    words = set(re.findall(r"[a-z]+", body.lower())) & ENGLISH
    assert words - NATIVE.get(language, set()) == set()
    count = len(re.findall(r"^## ", body, re.MULTILINE))
    assert count == len(searches) if language == "fi" else 5 <= count <= 12


def facts_of(language: str, searches: list[str], **changes: Any) -> dict[str, Any]:
    keywords = [{"text": text, "volume": 10} for text in searches]
    facts = {
        "title": searches[0].capitalize(), "brief": "", "content_type": "article", "main_keyword": searches[0],
        "word_count": 1000, "site": "S", "language": language, "keywords": keywords,
    }  # fmt: skip
    return facts | changes


@pytest.mark.parametrize(
    ("language", "spellings"),
    [
        ("en", ["womens socks", "socks for women", "women's sock"]),
        ("de", ["socken für damen", "damen socken"]),
        ("fr", ["chaussettes pour femmes", "chaussette femme"]),
        ("es", ["calcetines de mujer", "calcetin mujer"]),
        ("pl", ["skarpety damskie", "damskie skarpety"]),
    ],
)
def test_spellings_of_one_search_are_one(language: str, spellings: list[str]) -> None:
    found = merged([{"text": text, "volume": 10} for text in spellings], language)
    assert [(search.phrases, search.volume) for search in found] == [(spellings, 10 * len(spellings))]


def test_different_questions_stay_apart() -> None:
    texts = ["what is tea", "why is tea brown", "tea", "is tea brown"]
    assert len(merged([{"text": text, "volume": 1} for text in texts], "en")) == len(texts)


@pytest.mark.parametrize(
    "nasty",
    [
        "<img src=x onerror=alert(1)> [a](javascript:b) **bold** {0} | `c`",
        "1. one",
        "- two",
        "# three",
        "&lt;b&gt; ~~four~~",
        "> five",
    ],
)
def test_searches_with_markup_stay_text(nasty: str) -> None:
    html = from_markdown(draft_brief(facts_of("en", [nasty, f"{nasty} a"]), {})["body"])
    assert not any(tag in html for tag in ("<img", "<a", "<ol", "<h1", "<blockquote", "<code", "<del"))
    assert html.count("<table>") == 2


@pytest.mark.parametrize("length", [10, 60, 61, 200])
def test_meta_texts_end_where_a_search_ends(length: int) -> None:
    searches = [f"search number {number} of many" for number in range(length // 10)] or ["search"]
    draft = draft_brief(facts_of("en", searches, title="A title: " + "word " * (length // 5)), {})
    assert len(draft["meta_description"]) <= 155
    assert draft["meta_description"].split(", ")[-1].split(": ")[-1].lower() in searches
    if length > 60:
        assert draft["meta_title"] == "A title"
