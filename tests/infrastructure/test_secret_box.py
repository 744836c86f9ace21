"""Secrets at rest: sealed with a key derived from SECRET_KEY, readable under the old one while that is replaced."""

import pytest

from app.infrastructure.secret_box import SecretBox, Unreadable
from app.settings import Settings, SettingsError, load_settings

NEW, OLD = "n" * 40, "o" * 40
SECRET = "sk-very-secret-0123456789"


def test_a_secret_is_opened_by_who_has_the_key_and_no_one_else() -> None:
    sealed = SecretBox(NEW).seal(SECRET)
    assert SECRET not in sealed
    assert sealed != SecretBox(NEW).seal(SECRET)
    assert SecretBox(NEW).open(sealed) == SECRET
    for box in (SecretBox(OLD), SecretBox(NEW[:-1])):
        with pytest.raises(Unreadable):
            box.open(sealed)
    for damaged in (sealed[:-2], sealed.swapcase(), "x", SECRET):
        with pytest.raises(Unreadable):
            SecretBox(NEW).open(damaged)


def test_nothing_is_sealed_as_nothing() -> None:
    assert SecretBox(NEW).open("") == ""


def test_while_the_key_is_replaced_both_open_and_the_new_one_seals() -> None:
    sealed = SecretBox(OLD).seal(SECRET)
    both = SecretBox.of(Settings(secret_key=NEW, secret_key_old=OLD))
    assert both.open(sealed) == SECRET
    anew = both.reseal(sealed)
    assert anew
    assert SecretBox(NEW).open(anew) == SECRET
    assert both.reseal(anew) is None, "sealed anew once"
    with pytest.raises(Unreadable):
        both.reseal(SecretBox("x" * 40).seal(SECRET))


def test_a_short_old_key_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_OLD", "short")
    with pytest.raises(SettingsError, match="SECRET_KEY_OLD"):
        load_settings()
