"""Every template: compiles, keeps the content policy, imports only what it uses, is named by its id."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import Environment, nodes

from app import ROOT
from app.modules.web import init_web
from app.settings import Settings

TEMPLATES = ROOT / "templates"
FILES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
PARTIALS = [name for name in FILES if name.startswith("partials/")]
ON_ATTRIBUTE = re.compile(r"<[^>]*\s(on[a-z]+|style|hx-on[^=]*)\s*=", re.IGNORECASE)
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|javascript:|hx-vals=.js:")
UNESCAPED = re.compile(r"\|\s*safe\b|autoescape\s+false")
ICON = re.compile(r"""\b(?:icon|draw)\(\s*"([a-z0-9-]+)"|icon="([a-z0-9-]+)\"""")
ADDRESSES = {"url_for", "address_of", "addresses_of"}
DRAWN = re.compile(r'^  "([a-z0-9-]+)": "M', re.MULTILINE)


@pytest.fixture(scope="module")
def environment() -> Environment:
    app = Flask("templates", root_path=str(ROOT))
    init_web(app, Settings())
    return app.jinja_env


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text()


def _markup(name: str) -> str:
    return re.sub(r"{#.*?#}", "", _source(name), flags=re.DOTALL)


def _faulty(is_faulty: Callable[[str], object], names: Iterable[str] = FILES) -> list[str]:
    """One test looks at all files: a test of each would be hundreds of tiny ones."""
    return [name for name in names if is_faulty(name)]


def test_they_compile_with_the_filters_we_have(environment: Environment) -> None:
    for name in FILES:
        environment.get_template(name)


def test_nothing_runs_or_is_styled_inline() -> None:
    assert _faulty(lambda name: ON_ATTRIBUTE.search(_markup(name))) == []
    assert _faulty(lambda name: INLINE.search(_markup(name))) == []
    assert _faulty(lambda name: UNESCAPED.search(_markup(name))) == []


def test_every_import_is_used(environment: Environment) -> None:
    def unused(name: str) -> set[str]:
        tree = environment.parse(_source(name))
        names = [name for node in tree.find_all(nodes.FromImport) for name in node.names]
        imported = {name if isinstance(name, str) else name[1] for name in names}
        return imported - {node.name for node in tree.find_all(nodes.Name)}

    assert _faulty(unused) == []


def test_the_root_of_a_partial_has_the_name_of_its_file() -> None:
    def is_misnamed(name: str) -> bool:
        root = re.search(r"<[a-z][^>]*>", _markup(name))
        return not root or not re.search(rf'\bid="{Path(name).stem}(_{{{{[^"]*}}}})?"', root.group())

    assert _faulty(is_misnamed, PARTIALS) == []


def test_no_part_of_an_address_may_be_undefined(environment: Environment) -> None:
    """`a if b` without an else is undefined, which `url_for` writes as an empty value and not as none."""

    def is_half(value: nodes.Expr) -> bool:
        return isinstance(value, nodes.CondExpr) and value.expr2 is None

    def half_written(name: str) -> bool:
        calls = environment.parse(_source(name)).find_all(nodes.Call)
        parts = (
            part for call in calls if getattr(call.node, "name", "") in ADDRESSES for part in call.kwargs
        )
        return any(is_half(part.value) for part in parts)

    assert _faulty(half_written) == []


def test_every_icon_named_is_drawn() -> None:
    drawn = set(DRAWN.findall(_source("components/icon.html")))
    assert _faulty(lambda name: {one or other for one, other in ICON.findall(_markup(name))} - drawn) == []


def test_they_are_short_enough_to_read() -> None:
    # Lines are at most 120 wide (test_line_width): one that was 500 wide counts as the five that it is now.
    assert _faulty(lambda name: len(_source(name).splitlines()) > 170) == []
