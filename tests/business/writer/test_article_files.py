"""Articles as files: nothing of the text is lost, and other programs read them."""

from io import BytesIO
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from docx import Document

from app.business.writer.services.article_files import FILE_KINDS, as_archive
from app.business.writer.services.article_html import from_markdown
from app.business.writer.services.article_markdown import to_markdown

HTML = (
    "<p>Wool is <strong>warm</strong> and <em>soft</em>, see <a href='https://x.example/a'>ours</a>.</p>"
    "<h2>Care</h2><ol><li>Wash</li><li>Dry<ul><li>flat</li></ul></li></ol><p>Then:</p><ol><li>Fold</li></ol>"
    "<blockquote><p>The best.</p></blockquote><table><thead><tr><th>Size</th><th>cm</th></tr></thead>"
    "<tbody><tr><td>42</td><td>27</td></tr></tbody></table><pre>a  b\nc</pre><p>H<sub>2</sub>O &amp; 5 &lt; 6</p>"
)


def article(**values: Any) -> Any:
    given: dict[str, Any] = {
        "id": 7, "title": "Söckchen & Co: <neu>", "html": HTML, "meta_title": "Socks",
        "meta_description": 'A "warm" one', "main_keyword": "wool socks", "status": "approved",
        "published_url": "", "task": None, "site": SimpleNamespace(language="de"),
    }  # fmt: skip
    return SimpleNamespace(**given | values)


def read_document(data: bytes) -> Any:
    return Document(BytesIO(data))


def test_a_document_has_the_structure_of_the_article() -> None:
    document = read_document(FILE_KINDS["docx"].write(article()))
    lines = [(one.style.name, one.text) for one in document.paragraphs]
    assert lines == [
        ("Heading 1", "Söckchen & Co: <neu>"),
        ("Normal", "Wool is warm and soft, see ours."),
        ("Heading 2", "Care"),
        ("List Number", "Wash"),
        ("List Number", "Dry"),
        ("List Bullet 2", "flat"),
        ("Normal", "Then:"),
        ("List Number", "Fold"),
        ("Quote", "The best."),
        ("No Spacing", "a  b\nc"),
        ("Normal", "H2O & 5 < 6"),
    ]
    runs = {run.text: run for run in document.paragraphs[1].runs}
    assert (runs["warm"].bold, runs["soft"].italic) == (True, True)
    assert document.paragraphs[1].hyperlinks[0].address == "https://x.example/a"
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows] == [
        ["Size", "cm"],
        ["42", "27"],
    ]


def test_each_numbered_list_of_a_document_begins_at_one() -> None:
    document = read_document(FILE_KINDS["docx"].write(article()))
    numbers = [one._p.pPr.numPr.numId.val for one in document.paragraphs if one.style.name == "List Number"]
    assert numbers[0] == numbers[1] != numbers[2]


@pytest.mark.parametrize(
    "html", ["", "text alone", "<li>item</li>", "<table></table>", "<p>a<br>b</p></ul></a>", "<td>x</td>"]
)
def test_odd_articles_are_written_too(html: str) -> None:
    for kind in FILE_KINDS.values():
        assert kind.write(article(html=html))


def test_front_matter_is_read_by_others() -> None:
    text = FILE_KINDS["md"].write(article()).decode()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "title": "Söckchen & Co: <neu>", "slug": "sockchen-co-neu", "description": 'A "warm" one',
        "seo_title": "Socks", "keyword": "wool socks", "status": "approved",
    }  # fmt: skip
    assert to_markdown(from_markdown(body)) == body.strip()


def test_a_page_has_its_metas() -> None:
    page = FILE_KINDS["html"].write(article()).decode()
    assert '<html lang="de">' in page
    assert "<title>Socks</title>" in page
    assert '<meta name="description" content="A &quot;warm&quot; one">' in page
    assert "<h1>Söckchen &amp; Co: &lt;neu&gt;</h1>" in page


def test_an_archive_holds_one_file_for_each() -> None:
    data = as_archive([article(), article(id=8)], FILE_KINDS["md"])
    assert ZipFile(BytesIO(data)).namelist() == ["sockchen-co-neu-7.md", "sockchen-co-neu-8.md"]


SIGNS = ["1) x", "# one", "- two", "5 < 6", "&copy;", "[x]", "`t`", "a|b", "> q", "x_y*z", "\\", "===="]


@pytest.mark.parametrize("sign", SIGNS)
def test_markdown_of_an_article_becomes_the_same_article(sign: str) -> None:
    text = sign.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for html in (
        f"<p>{text}</p>",
        f"<p>a {text} <strong>{text} b</strong></p>",
        f"<ul>\n<li>{text}\n<ol>\n<li>{text}</li>\n</ol>\n</li>\n</ul>",
        f"<blockquote>\n<p>{text}</p>\n<p>{text}</p>\n</blockquote>",
        f"<table>\n<thead>\n<tr>\n<th>{text}</th>\n</tr>\n</thead>\n"
        f"<tbody>\n<tr>\n<td>{text}</td>\n</tr>\n</tbody>\n</table>",
    ):
        assert from_markdown(to_markdown(html)) == html
