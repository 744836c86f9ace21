"""Passwords: long enough, not a common one, stored as argon2id."""

import unicodedata
from functools import cache
from pathlib import Path

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.business.errors import Invalid

SHORTEST, LONGEST = 8, 256
HASHER = PasswordHash((Argon2Hasher(),))


def check_new_password(password: str, email: str) -> None:
    """Raises Invalid({"password": …}) when it is too short, too long, common, or the person's own address."""
    length = len(normal(password))
    if length < SHORTEST:
        raise Invalid({"password": [f"Use at least {SHORTEST} characters; a few words make a good one."]})
    if length > LONGEST:
        raise Invalid({"password": [f"Use at most {LONGEST} characters."]})
    if _is_guessable(normal(password).casefold(), email.casefold()):
        raise Invalid({"password": ["This one is among the first that attackers try. Use a few words."]})


def normal(password: str) -> str:
    """Normalise the password, so that every keyboard gives the same text (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def is_right(password: str, password_hash: str | None, hasher: PasswordHash = HASHER) -> bool:
    """Whether it is the password. Without a stored hash it takes as long, and is always False."""
    if len(password) > LONGEST:
        return False
    matches = hasher.verify(normal(password), password_hash or _nobodys(hasher))
    return matches and password_hash is not None


def _is_guessable(password: str, email: str) -> bool:
    name = email.partition("@")[0]
    return password in _common() or password in (email, name) or len(set(password)) < 3


@cache
def _common() -> frozenset[str]:
    return frozenset(Path(__file__).with_name("common_passwords.txt").read_text().split())


@cache
def _nobodys(hasher: PasswordHash) -> str:
    return hasher.hash("a password that nobody has")
