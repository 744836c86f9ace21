"""One folding of letter case and one splitting into words: the same in Python, SQLite and PostgreSQL.

Both are tables from character to character, made here from Python's own Unicode data. SQLite calls the
functions of this module (registered on each connection), PostgreSQL gets the tables as operands of
`translate`. So no server's locale, ICU or Unicode version can make the three differ. The price: a letter
stays one letter, so "ß" is not "ss". All three forms of sigma are one, and "İ" stays itself.
"""

import re
import string

_SPACES = re.compile(" +")
LAST_CASED = 0x1FFFF
"""No script with two cases lies beyond; looking further would only cost time at every start."""


def _folded_character(character: str) -> str:
    for form in (character.casefold(), character.lower()):
        if len(form) == 1:
            return form
    return character


_FOLDED = {
    character: folded
    for character in map(chr, range(128, LAST_CASED + 1))
    if (folded := _folded_character(character)) != character
}
FOLD_FROM, FOLD_TO = "".join(_FOLDED), "".join(_FOLDED.values())
"""Letters beyond ASCII and what each folds to."""

_FOLD = str.maketrans(string.ascii_uppercase + FOLD_FROM, string.ascii_lowercase + FOLD_TO)

_SIGNS = ((1, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x2000, 0x206F), (0x3000, 0x3020), (0xFF01, 0xFF0F))
BREAKS = "".join(
    character
    for first, last in _SIGNS
    for character in map(chr, range(first, last + 1))
    if character not in string.ascii_letters + string.digits + " ªµ²³¹º"
)
"""What ends a word, beside the space: controls, ASCII and Latin-1 signs, general and CJK punctuation."""

_BREAK = str.maketrans(BREAKS, " " * len(BREAKS))


def fold(text: str) -> str:
    """`text` without the difference of upper and lower case."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def words(text: str) -> str:
    """The words of `text`, one space between them."""
    return _SPACES.sub(" ", text.translate(_BREAK)).strip(" ")
