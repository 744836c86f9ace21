"""Forms: clean text, plain refusals, filters in the address."""

import re

import pytest
from flask import Flask
from wtforms import IntegerField, PasswordField, SelectField, StringField, TextAreaField

from app.business.plain_characters import CONTROL
from app.modules.automation.rule_form.base import offered
from app.modules.forms import (
    ConsoleForm,
    FilterForm,
    TimezoneField,
    at_most,
    between,
    options_of,
    required,
)


class Rule(ConsoleForm):
    name = StringField("Name", [required("a name"), at_most(12)])
    text = TextAreaField("Text")
    password = PasswordField("Password")
    limit = IntegerField("Limit", [required("a limit"), between(1, 100)])
    zone = TimezoneField()


class Runs(FilterForm):
    text = StringField("Search", [at_most(5)])
    limit = IntegerField("Limit")


@pytest.fixture
def app() -> Flask:
    app = Flask("forms")
    app.config.update(SECRET_KEY="for this test only", WTF_CSRF_ENABLED=False)
    return app


def _sent(app: Flask, **values: str) -> Rule:
    given = {"name": "Nightly", "limit": "10", "zone": "Europe/Berlin"} | values
    with app.test_request_context(method="POST", data=given):
        form = Rule()
        form.validate()
        return form


def test_spaces_around_text_are_dropped_but_not_those_of_a_password(app: Flask) -> None:
    form = _sent(app, name="  Nightly ", password=" secret ")
    assert (form.name.data, form.password.data, form.errors) == ("Nightly", " secret ", {})


def test_zero_is_a_number_out_of_bounds_and_not_a_missing_one(app: Flask) -> None:
    assert _sent(app, limit="0").errors == {"limit": ["Enter a number from 1 to 100."]}
    assert _sent(app, limit="").errors == {"limit": ["Enter a limit."]}


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x7f", "\n"])
def test_control_characters_are_refused_beside_the_field(app: Flask, sign: str) -> None:
    assert _sent(app, name=f"a{sign}b").errors == {"name": [CONTROL]}


def test_a_text_area_takes_line_breaks_but_no_nul(app: Flask) -> None:
    assert not _sent(app, text="one\r\n\ttwo").errors
    assert _sent(app, text="one\x00two").errors == {"text": [CONTROL]}


def test_refusals_say_what_to_enter(app: Flask) -> None:
    assert _sent(app, name="   ").errors == {"name": ["Enter a name."]}
    assert _sent(app, name="x" * 13).errors == {"name": ["Use at most 12 characters."]}
    assert _sent(app, limit="101").errors == {"limit": ["Enter a number from 1 to 100."]}


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ("berlin", "Europe/Berlin"),
        (" new  york ", "America/New_York"),
        ("europe/paris", "Europe/Paris"),
        ("UTC", "UTC"),
    ],
)
def test_a_zone_is_found_by_its_name_or_by_its_place(app: Flask, typed: str, zone: str) -> None:
    form = _sent(app, zone=typed)
    assert (form.zone.data, form.errors) == (zone, {})


@pytest.mark.parametrize(
    ("typed", "said"), [("Europe/Berln", "did you mean Europe/Berlin"), ("", "such as"), ("Mars", "Mars")]
)
def test_an_unknown_zone_is_kept_and_refused_with_the_nearest(app: Flask, typed: str, said: str) -> None:
    form = _sent(app, zone=typed)
    assert form.zone.data == typed
    assert said in form.errors["zone"][0]


def test_a_filter_leaves_out_what_is_empty_or_wrong(app: Flask) -> None:
    with app.test_request_context("/?text=much+too+long&limit=7"):
        assert Runs().chosen() == {"limit": 7}
    with app.test_request_context("/?text=+ab+&limit="):
        assert Runs().chosen() == {"text": "ab"}


def number_or_none(value: str) -> int | None:
    return int(value) if value else None


class Offering(FilterForm):
    status = SelectField("Status", choices=offered([("", "Any"), ("a&b", "A <b>"), ("c", "C")]))
    place = SelectField("Place", choices=offered({"One": [("1", "A")], "": [("2", "B")]}))
    number = SelectField("Number", choices=offered([("", "None"), ("7", "Seven")]), coerce=number_or_none)


@pytest.mark.parametrize(
    "address", ["/", "/?status=", "/?status=a%26b", "/?status=forged", "/?number=7&status=c"]
)
def test_options_are_those_that_wtforms_draws(app: Flask, address: str) -> None:
    with app.test_request_context(address):
        form = Offering()
        assert options_of(form.place) is None
        for field in (form.status, form.number):
            by_wtforms = re.sub(r"</?select[^>]*>", "", field())
            assert str(options_of(field)) == by_wtforms


def test_a_field_that_the_address_leaves_out_is_not_checked(app: Flask) -> None:
    with app.test_request_context("/?limit=0&text=abcdefg"):
        form = Runs()
        assert form.chosen() == {}
        assert form.text.errors
        assert not form.limit.errors
