"""Letter case and words: one meaning in Python, SQLite and PostgreSQL, for every character."""

import pytest
from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from app.business.automation.services.conditions.condition_functions import folded, words_of
from app.business.folding import BREAKS, FOLD_FROM, FOLD_TO, fold_letters, words

EVERY_LETTER = "".join(map(chr, range(1, 0x600))) + FOLD_FROM + FOLD_TO + BREAKS + "ẞßﬀİı😀\U0010ffff"


@pytest.mark.parametrize("text", [EVERY_LETTER, EVERY_LETTER[::-1], "ASCII only", "", "  a,b  -- c\u2003d "])
def test_the_database_folds_and_parts_words_as_python_does(session: Session, text: str) -> None:
    row = session.execute(select(folded(literal(text)), words_of(literal(text)))).one()
    assert tuple(row) == (fold_letters(text), words(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [("ÄRGER", "ärger"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ẞ", "ß"), ("K\u212a", "kk"), ("Ꭰ", "ꭰ"), ("𐐀", "𐐨")],
)
def test_folding_leaves_no_difference_of_case(one: str, other: str) -> None:
    assert fold_letters(one) == fold_letters(other)
    assert fold_letters(fold_letters(one)) == fold_letters(one)


def test_folding_never_changes_the_number_of_letters() -> None:
    assert len(fold_letters(EVERY_LETTER)) == len(EVERY_LETTER)
    assert fold_letters("straße") != fold_letters("STRASSE")
