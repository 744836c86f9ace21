"""Nobody but an action's own files spells its type: everybody else asks its entry in the catalogue."""

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes

from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.infrastructure.ai.offline import OfflineModel

ROOT = Path(__file__).parents[1]
AUTOMATION = ROOT / "app/business/automation/services"
OWN = (
    AUTOMATION / "catalogue/actions",
    # Ready rules name the actions they are made of.
    AUTOMATION / "transfer/templates.py",
    # So do the examples of bodies in the reference.
    ROOT / "app/modules/openapi/examples.py",
    ROOT / "app/demo",
)


def names_one(text: str) -> bool:
    """Few files do, and to parse all of them takes seconds."""
    return any(key in text for key in CATALOGUE)


def spelt_in_python(path: Path) -> Iterator[str]:
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if names_one(text) else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (key for key in CATALOGUE if node.value == key or f"'{key}'" in node.value)


def spelt_in_template(path: Path, environment: Environment) -> Iterator[str]:
    text = path.read_text()
    for node in environment.parse(text).find_all(nodes.Const) if names_one(text) else ():
        if node.value in CATALOGUE:
            yield str(node.value)


def test_no_module_spells_the_type_of_an_action() -> None:
    found = {
        str(path.relative_to(ROOT)): spelt
        for path in ROOT.glob("app/**/*.py")
        if not any(path.is_relative_to(own) for own in OWN) and (spelt := set(spelt_in_python(path)))
    }
    assert found == {}


def test_no_template_spells_the_type_of_an_action() -> None:
    environment = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    found = {
        str(path.relative_to(ROOT)): spelt
        for path in ROOT.glob("templates/**/*.html")
        if (spelt := set(spelt_in_template(path, environment)))
    }
    assert found == {}


def test_every_type_has_a_handler() -> None:
    assert make_works(OfflineModel()).keys() == CATALOGUE.keys()
