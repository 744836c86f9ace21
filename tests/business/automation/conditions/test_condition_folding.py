"""Letter case and words: one meaning in Python, SQLite and PostgreSQL, for every character."""

from pathlib import Path

import pytest
from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from app import ROOT
from app.business.automation.services.catalogue.field_types import FieldType
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.conditions.sql_functions import words_of
from app.business.folding import BREAKS, words

EVERY_LETTER = "".join(map(chr, range(1, 0x600))) + BREAKS + "ẞßﬀİı😀\U0010ffff"
FOLDING_SQL = (
    "func.lower", "func.upper", ".ilike(", ".icontains(", ".istartswith(", "NOCASE", ".collate(", "has_words(",
)  # fmt: skip


@pytest.mark.parametrize("text", [EVERY_LETTER, EVERY_LETTER[::-1], "ASCII only", "", "  a,b  -- c\u2003d "])
def test_the_database_splits_words_as_python_does(session: Session, text: str) -> None:
    assert session.scalar(select(words_of(literal(text)))) == words(text)


@pytest.mark.parametrize("record_type", [None, *RECORD_TYPES])
def test_every_text_that_conditions_offer_is_stored_folded(record_type: str | None) -> None:
    texts = [
        field for field in fields_of(record_type).values() if field.type in (FieldType.TEXT, FieldType.LIST)
    ]
    assert texts
    assert [field.name for field in texts if field.folded is None] == []


def test_no_query_folds() -> None:
    found = {
        (path.name, word)
        for path in Path(ROOT, "app").rglob("*.py")
        for word in FOLDING_SQL
        if word in path.read_text()
    }
    # The search in the history reads what runs said, at most 10,000 of them; that is no text people compare by.
    assert found == {("run_filters.py", "has_words("), ("sql_functions.py", "has_words(")}
