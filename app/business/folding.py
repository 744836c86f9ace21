"""Text compared without case: the fold of a text, the key of a name, and splitting into words.

`fold` makes every form of a letter equal, in no language in particular: "ß" is "ss", all forms of sigma are one,
"I", "i", "İ" and "ı" are one, an accent may stand apart from its letter, and invisible characters do not count.
So two texts are equal exactly if they differ in nothing but case and invisible characters.

Databases never fold: they compare what is stored folded (`app.business.folded_columns`). `words` is a table from
character to character; SQLite calls the function of this module (registered on each connection), PostgreSQL gets the
table as operand of `translate`. So no server's locale, ICU or Unicode version can make the three differ.
"""

import re
import string
import unicodedata

_SPACES = re.compile(" +")
_WHITE = re.compile(r"\s+")

# Unicode's Default_Ignorable_Code_Point: drawn as nothing. Python has no table of it.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_SIGNS = ((1, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x2000, 0x206F), (0x3000, 0x3020), (0xFF01, 0xFF0F))
BREAKS = "".join(
    character
    for first, last in _SIGNS
    for character in map(chr, range(first, last + 1))
    if character not in string.ascii_letters + string.digits + " ªµ²³¹º"
)
"""Word separators, beside the space: controls, ASCII and Latin-1 signs, general and CJK punctuation."""

_BREAK = str.maketrans(BREAKS, " " * len(BREAKS))


def fold(text: str) -> str:
    """`text` without the difference of case and without invisible characters."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFD", without_invisible(text)).casefold()
    # Dotted and dotless i are one letter: both are written "I" somewhere.
    plain = plain.replace("\u0131", "i").replace("i\u0307", "i")
    return unicodedata.normalize("NFC", plain)


def name_key(text: str) -> str:
    """What makes a name unique: case, outer or repeated spaces and invisible characters do not count."""
    return _WHITE.sub(" ", fold(text)).strip()


def without_invisible(text: str) -> str:
    """`text` without characters that are drawn as nothing."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def words(text: str) -> str:
    """The words of `text`, one space between them."""
    return _SPACES.sub(" ", text.translate(_BREAK)).strip(" ")
