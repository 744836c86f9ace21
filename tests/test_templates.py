"""Every template: compiles, keeps the content policy, imports only what it uses, is named by its id."""

import re
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
ICON = re.compile(r"""\b(?:icon|draw)\(\s*"([a-z0-9-]+)"|icon="([a-z0-9-]+)\"""")
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


@pytest.mark.parametrize("name", FILES)
def test_it_compiles_with_the_filters_we_have(environment: Environment, name: str) -> None:
    environment.get_template(name)


@pytest.mark.parametrize("name", FILES)
def test_nothing_runs_or_is_styled_inline(name: str) -> None:
    text = _markup(name)
    assert not ON_ATTRIBUTE.search(text)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|javascript:|hx-vals=.js:", text)
    assert not re.search(r"\|\s*safe\b|autoescape\s+false", text)


@pytest.mark.parametrize("name", FILES)
def test_every_import_is_used(environment: Environment, name: str) -> None:
    tree = environment.parse(_source(name))
    names = [name for node in tree.find_all(nodes.FromImport) for name in node.names]
    imported = {name if isinstance(name, str) else name[1] for name in names}
    used = {node.name for node in tree.find_all(nodes.Name)}
    assert imported <= used


@pytest.mark.parametrize("name", PARTIALS)
def test_the_root_of_a_partial_has_the_name_of_its_file(name: str) -> None:
    root = re.search(r"<[a-z][^>]*>", _markup(name))
    assert root
    assert re.search(rf'\bid="{Path(name).stem}(_{{{{[^"]*}}}})?"', root.group())


@pytest.mark.parametrize("name", FILES)
def test_every_icon_named_is_drawn(name: str) -> None:
    drawn = set(DRAWN.findall(_source("components/icon.html")))
    assert {one or other for one, other in ICON.findall(_markup(name))} <= drawn


@pytest.mark.parametrize("name", FILES)
def test_it_is_short_enough_to_read(name: str) -> None:
    # Lines are at most 120 wide (test_line_width): one that was 500 wide counts as the five that it is now.
    assert len(_source(name).splitlines()) <= 170
