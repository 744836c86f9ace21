"""The checks of an article and its score: each planted fault is found by the right check and costs points."""

import pytest

from app.business.writer.services.article_checks.facts import CheckFacts, Draft
from app.business.writer.services.article_checks.languages import other_language
from app.business.writer.services.article_checks.score import check_article
from app.business.writer.services.article_checks.text import ArticleText, words_of
from tests.business.writer.good_articles import FAULTS, GOOD, PAIRS, Good, Plant, reworded


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.subject)
def test_a_good_article_passes_every_check(good: Good) -> None:
    verdict = check_article(good.draft(), good.facts())
    assert (verdict.score, verdict.failed) == (100, []), verdict.as_json()


@pytest.mark.parametrize(("good", "check", "plant"), PAIRS, ids=[f"{p[0].subject}-{p[1]}" for p in PAIRS])
def test_the_faulted_article_of_each_pair_scores_lower(good: Good, check: str, plant: Plant) -> None:
    faulted = check_article(good.of(plant(good)), good.facts())
    assert check in faulted.failed
    assert faulted.score < check_article(good.draft(), good.facts()).score


@pytest.mark.parametrize(("check", "plant"), FAULTS, ids=[name for name, _ in FAULTS])
def test_every_fault_is_found_in_every_language(check: str, plant: Plant) -> None:
    missed = [
        good.subject for good in GOOD if check not in check_article(good.of(plant(good)), good.facts()).failed
    ]
    assert not missed


@pytest.mark.parametrize("good", GOOD[::2], ids=lambda good: good.subject)
def test_equal_articles_have_equal_scores(good: Good) -> None:
    other = reworded(good)
    assert other.body != good.body
    scores = [check_article(one.draft(), good.facts()).score for one in (good, other)]
    assert abs(scores[0] - scores[1]) <= 3


BAD = {
    "placeholder": ["Write to [Your Company] today.", "About XX % of people agree.", "Lorem ipsum dolor sit amet.",
                    "Dear {{name}}, welcome.", "TODO: more of this.", "Call [PHONE NUMBER] now."],
    "ai_talk": ["As an AI, I have no opinion.", "Sure, here is the section you asked for.",
                "Als KI-Sprachmodell kann ich das nicht.", "En tant qu'IA, je ne sais pas.",
                "Como modelo de lenguaje, no puedo.", "I hope this helps!", "AI言語モデルとして、お答えします。"],
    "links": ["See https://made-up.example.net/x for more.", '<a href="/not-there">More</a>',
              '<a href="mailto:a@b.example">Write</a>'],
    "claims": ["It grew by 87.4 % in a year.", "They sold 12,000 of them.", "It costs $99 a month.",
               "Our founder said “we never wanted to sell anything at all”."],
    "headings": ["<h3>Deep</h3><h2>High</h2>", "<h2>One</h2><h2>One</h2>", "<h2>Step 1 a</h2><h2>Step 3 b</h2>"
                 "<h2>Step 2 c</h2>"],
}  # fmt: skip
FINE = {
    "placeholder": ["He said [sic] it was so.", "A note [1] on the text.", "<code>list[index]</code>"],
    "ai_talk": [
        "AI tools and language models are described below.",
        "Here is how it works.",
        "Of course it rains.",
    ],
    "links": ['<a href="https://www.example.com/care/">Care</a>', '<a href="/care">Care</a>', "<p>None.</p>"],
    "claims": [
        "In 2024 there were 3 of them and 10 minutes were enough.",
        "It costs $25 a month.",
        "“Yes”, he said.",
    ],
    "headings": [
        "<h2>One</h2><h3>Two</h3><h2>Three</h2>",
        "<h2>Step 1 a</h2><h2>Step 2 b</h2>",
        "<p>Short.</p>",
    ],
}
FACTS = CheckFacts(
    site_url="https://example.com", links=("https://example.com/care",), given=("The fee is $25 a month.",)
)


@pytest.mark.parametrize(("check", "text"), [(name, text) for name in BAD for text in BAD[name]])
def test_what_a_check_finds(check: str, text: str) -> None:
    assert check_article(Draft("Title", text), FACTS, only=[check]).failed == [check]


@pytest.mark.parametrize(("check", "text"), [(name, text) for name in FINE for text in FINE[name]])
def test_what_a_check_lets_pass(check: str, text: str) -> None:
    verdict = check_article(Draft("Title", text), FACTS, only=[check])
    assert not verdict.failed, verdict.as_json()


def test_a_keyword_counts_as_covered_in_any_form_and_order() -> None:
    draft = Draft("T", "<p>Tables of solid oak last for dining rooms.</p>")
    facts = CheckFacts(keywords=("oak dining table", "solid oak tables", "beech table"))
    finding = check_article(draft, facts, only=["keywords"]).findings[0]
    assert finding.quotes == ("beech table",)


def test_a_given_sentence_may_stand_on_two_pages() -> None:
    sentence = "Call us any day between nine and five and ask for the woman who knows the oak."
    draft, pages = Draft("T", f"<p>{sentence}</p>"), (("Other", f"<p>{sentence}</p>"),)
    assert check_article(draft, CheckFacts(pages=pages)).of("copied").points > 0
    assert check_article(draft, CheckFacts(pages=pages, given=(sentence,))).of("copied").passed


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        (
            "ja",
            "これは日本語で書かれた段落であり、サイトの言語と同じです。とても長い文章なので、判断できます。",
            None,
        ),
        ("ja", "This paragraph is written in English on a site of another language.", "Latin letters"),
        ("ru", "Этот абзац написан на русском языке, и это язык сайта, на котором он стоит.", None),
        (
            "en",
            "Этот абзац написан на русском языке, и это не язык сайта, на котором он стоит.",
            "Cyrillic letters",
        ),
        ("fi", "The paragraph that you are reading now is not in the language of this site.", "en"),
        ("fi", "Tämä kappale on kirjoitettu suomeksi, ja se on myös sivuston oma kieli täällä.", None),
        ("pt-BR", "Este parágrafo está em português e não há nada de errado com ele nem com o site.", None),
    ],
)
def test_languages_are_told_apart(language: str, text: str, found: str | None) -> None:
    assert other_language(text, words_of(text), language) == found


def test_an_article_is_read_block_by_block() -> None:
    text = ArticleText.of('<h2>A</h2><p>One. Two!</p><ul><li>Three <a href="/x">y</a></li></ul>four<br>five')
    assert [block.tag for block in text.blocks] == ["h2", "p", "li", "p"]
    assert text.sentences == ["A", "One.", "Two!", "Three y", "four", "five"]
    assert text.links == ("/x",)
