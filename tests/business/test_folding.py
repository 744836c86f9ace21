"""The fold of a text: no difference of case or invisible characters, in no language in particular."""

import random
import sys
import unicodedata

import pytest

from app.business.errors import Invalid
from app.business.folding import fold, name_key, without_invisible
from app.business.planner.services.plain_text import clean_line

INVISIBLE = "\u200b\ufeff\u00ad\u200e\u200f\u200c\u200d\u2060\u3164\ufe0f"
TRICKY = "ßẞİıIiſKÅéΣσςŉǰΐΰﬁﬀĳǅⱥꭰᏐ𐐀İ̧i̇ı̇e\u0301A\u030a" + INVISIBLE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "straße"),
        ("ẞ", "ss"),
        ("İstanbul", "istanbul"),
        ("DIŞ", "dış"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ÄRGER", "a\u0308rger"),
        ("K\u212a", "kk"),
        ("Ꭰ", "ꭰ"),
        ("𐐀", "𐐨"),
        ("co\u00adop", "CO\u200bop\ufeff"),
        ("\u200eאבג\u200f", "אבג"),
    ],
)
def test_texts_that_differ_in_case_or_invisible_characters_are_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("10²", "102"), ("resume", "résumé"), ("o", "ø"), ("a b", "ab")])
def test_other_texts_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_every_character_folds_alike_in_each_of_its_cases() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        folded = fold(character)
        if folded == character == character.upper() == character.lower():
            continue
        forms = {character.upper(), character.lower(), character.title(), character.swapcase(), folded}
        assert {fold(form) for form in forms} == {folded}, hex(ord(character))


def test_random_texts_fold_alike_in_each_case_and_composition() -> None:
    chance = random.Random(7)
    # Without the iota below (U+0345): its upper case is a letter of its own, so marks behind it change their place.
    marks = [chr(code) for code in range(0x300, 0x370) if code != 0x345]
    letters = [*TRICKY, *"abc XYZ", *map(chr, range(0xC0, 0x250)), *marks]
    for _ in range(3_000):
        text = "".join(chance.choices(letters, k=chance.randint(1, 12)))
        forms = [
            text.upper(),
            text.lower(),
            unicodedata.normalize("NFD", text),
            unicodedata.normalize("NFC", text),
        ]
        hidden = chance.choice(INVISIBLE).join(text)
        assert {fold(form) for form in (*forms, fold(text), hidden)} == {fold(text)}, text.encode(
            "unicode_escape"
        )


def test_an_invisible_name_is_empty() -> None:
    for text in (INVISIBLE, f" {INVISIBLE} \t", "\u3000\u00a0"):
        assert name_key(text) == ""
    assert name_key(" Best\u00a0 of\u200b  ") == "best of"
    assert without_invisible("plain") == "plain"


@pytest.mark.parametrize("text", ["\u200b", " \ufeff\u00ad ", "\u200e\u200f"])
def test_a_line_of_only_invisible_characters_is_empty(text: str) -> None:
    assert clean_line(text, "name", required=False) == ""
    with pytest.raises(Invalid, match="empty"):
        clean_line(text, "name")
