"""What a process works out once is the same for everybody who gets it, and nobody gets another's."""

from enum import StrEnum
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, g, url_for
from jinja2 import DictLoader, pass_context, pass_environment, pass_eval_context
from markupsafe import Markup, escape
from werkzeug.routing import BuildError

from app.business.accounts.models import Role
from app.modules import once as module
from app.modules.drawings import drawn, init_drawings, written
from app.modules.navigation import address_of, known_url_for, navigation, shortcuts
from app.modules.once import init_once, once

MACROS = """{% macro said(text, size=1) -%}<b title="{{ size }}">{{ text }}</b>{%- endmacro %}
{% set once_said = kept(said) %}"""


@pytest.fixture
def app() -> Flask:
    app = Flask("pages")
    init_once(app)
    init_drawings(app)
    app.jinja_loader = DictLoader({"macros.html": MACROS})
    for endpoint in ("automation.rules", "accounts.team", "automation.my_work", "billing.credits"):
        app.add_url_rule(f"/{endpoint.partition('.')[2]}", endpoint, lambda: "")
    app.add_url_rule("/rules/<int:id>", "automation.rule", lambda id: "")
    app.add_url_rule("/rules/<int:id>/<step>", "automation.step", lambda id, step: "")
    return app


def menu_of(app: Flask, role: Role, *, sees_all: bool = True, root: str = "") -> tuple[Any, Any, str]:
    with app.test_request_context("/rules/7", base_url=f"http://localhost{root}"):
        g.person = SimpleNamespace(
            role=role,
            sees_all=sees_all,
            can=lambda needed: role.allows(Role(needed)),
            may_open=lambda endpoint: sees_all or endpoint != "billing.credits",
        )
        links = [(link.url, link.is_current) for _, links in navigation() for link in links]
        return links, shortcuts(), address_of("automation.rules")


def test_each_role_range_and_prefix_has_its_own_menu(app: Flask) -> None:
    asked = [(role, sees_all, root) for role in Role for sees_all in (True, False) for root in ("", "/igny8")]
    first = [menu_of(app, role, sees_all=sees_all, root=root) for role, sees_all, root in asked]
    again = [menu_of(app, role, sees_all=sees_all, root=root) for role, sees_all, root in reversed(asked)]
    assert first == again[::-1]
    for (role, sees_all, root), (links, keys, address) in zip(asked, first, strict=True):
        expected = [(f"{root}/rules", True)]
        expected += [(f"{root}/my_work", False)] if role.allows(Role.OPERATOR) else []
        expected += [(f"{root}/credits", False)] if sees_all else []
        expected += [(f"{root}/team", False)] if role.allows(Role.OWNER) else []
        assert links == expected
        assert address == f"{root}/rules"
        assert ("My work" in str(keys)) is role.allows(Role.OPERATOR)


def test_two_applications_share_no_address(app: Flask) -> None:
    other = Flask("other")
    init_once(other)
    for one, address in ((app, "/rules"), (other, "")):
        with one.test_request_context():
            assert address_of("automation.rules") == address


ADDRESSES: list[tuple[str, dict[str, Any]]] = [
    ("automation.rules", {}), ("automation.rule", {"id": 7}), ("automation.rule", {"id": 8}),
    ("automation.rules", {"page": 7}), ("automation.rules", {"days": 8, "site": None}),
    ("automation.rules", {"q": "a & b"}), ("automation.rules", {"only": True}),
    ("automation.step", {"id": 7, "step": "check"}), ("automation.rules", {"_anchor": "runs"}),
    ("automation.rules", {"_external": True}), (".rules", {}), (".rule", {"id": 9}),
]  # fmt: skip


def test_addresses_that_are_kept_are_those_that_flask_builds(app: Flask) -> None:
    for _ in range(2):
        for root, page in (("", "/rules"), ("/igny8", "/rules/7")):
            with app.test_request_context(page, base_url=f"http://localhost{root}"):
                for endpoint, values in ADDRESSES:
                    assert known_url_for(endpoint, **values) == url_for(endpoint, **values)
                with pytest.raises(BuildError):
                    known_url_for("automation.rule")
                with pytest.raises(BuildError):
                    known_url_for("automation.unknown", id=7)


class Counter:
    """Called by a template like a function."""

    def __call__(self, more: int) -> int:
        return more + 1

    def plus(self, more: int) -> int:
        return more + 2


def test_templates_call_whatever_jinja_calls(app: Flask) -> None:
    given = pass_context(lambda context, name: context[name])
    scale = pass_eval_context(lambda evaluated, text: f"{evaluated.autoescape} {text}")
    named = pass_environment(lambda environment, text: f"{environment is app.jinja_env} {text}")
    app.jinja_env.globals.update(given=given, scale=scale, named=named, counter=Counter(), made=Counter)
    app.jinja_env.globals.update(once=lru_cache(lambda text, end="": f"<{text}{end}>"), plain=lambda: "<p>")
    template = app.jinja_env.from_string(
        "{% macro row(text, end='') %}<b>{{ text }}{{ end }}{% if caller %}{{ caller() }}{% endif %}</b>{% endmacro %}"
        "{% for x in (1, 2) %}{% set v = x * 10 %}{{ given('v') }} {% endfor %}{{ scale('s') }} "
        "{{ named('n') }} {{ counter(1) }} {{ counter.plus(1) }} {{ made()(2) }} {{ once('o', end='!') }} {{ plain() }}"
        "{{ row('<', end='>') }}{% call row('r') %}<i>{% endcall %}{{ 'a-b'.split('-')[1] }}{{ dict(k=1).k }}"
    )
    assert template.render() == ("10 20 True s True n 2 3 3 &lt;o!&gt; &lt;p&gt;<b>&lt;&gt;</b><b>r<i></b>b1")


def test_equal_text_is_escaped_or_not_as_it_was_given(app: Flask) -> None:
    said = app.jinja_env.get_template("macros.html").module.once_said  # type: ignore[attr-defined]
    assert said("<i>") == '<b title="1">&lt;i&gt;</b>'
    assert said(Markup("<i>")) == '<b title="1"><i></b>'
    assert said("<i>", size=2) == '<b title="2">&lt;i&gt;</b>'
    assert said("<i>") is said("<i>")


def test_a_macro_is_drawn_for_each_of_its_values(app: Flask) -> None:
    said = app.jinja_env.get_template("macros.html").module.said  # type: ignore[attr-defined]
    with app.app_context():
        assert [drawn(said, text) for text in ("a", "b", "a")] == [said("a"), said("b"), said("a")]
        assert drawn(said, "a") is drawn(said, "a")


def test_what_is_kept_has_a_bound(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    with app.app_context():
        for number in (1, 2, 3, 4, 1, 4):
            assert once(number, partial(double, number)) == 2 * number
        assert len(app.extensions[module._KEPT]) <= 3


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize(
    "value",
    [
        "plain words, 24 Nov",
        "",
        "<b>\"a\" & 'b'</b>",
        Markup("<b>&amp;</b>"),
        Markup(""),
        7,
        1.5,
        None,
        True,
        SimpleNamespace(__html__=lambda: "<i>own</i>"),
        StrEnum("Kind", {"A": "<a>"}).A,
        ["<li>"],
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_written_as_it_is_escaped(app: Flask, value: object) -> None:
    assert type(written(value)) in (str, Markup)
    assert str(written(value)) == str(escape(value))
    template = app.jinja_env.from_string("<p title='{{ value }}'>{{ value }}{% set v = value %}{{ v }}</p>")
    assert template.render(value=value) == f"<p title='{escape(value)}'>{escape(value)}{escape(value)}</p>"
