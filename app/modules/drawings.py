"""How templates are drawn: macros are imported without comparing names, and what never differs is drawn once."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from flask import Flask
from jinja2 import Template
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro
from markupsafe import Markup

from app.modules.once import once

MOST_KEPT = 1_000


class ConsoleTemplate(Template):
    """A template whose globals are those of the environment, as all of ours are.

    Jinja compares the names of all globals at each import, which takes longer than most macros that are imported.
    """

    def _get_default_module(self, _ctx: Context | None = None) -> TemplateModule:
        return super()._get_default_module()


def init_drawings(app: Flask) -> None:
    """Call it before the first template is loaded."""
    app.jinja_env.template_class = ConsoleTemplate
    app.add_template_global(drawn)
    app.add_template_global(kept)


def kept(macro: Macro) -> Callable[..., Markup]:
    """The macro, which draws the same values once. Only for macros that read nothing but their values."""
    # Typed: text that is to be escaped and text that is not may be equal.
    return cast(Callable[..., Markup], lru_cache(maxsize=MOST_KEPT, typed=True)(macro))


def drawn(macro: Macro, *values: Any) -> Markup:
    """`macro(*values)`, drawn once for the same values, which can be hashed.

    Only for macros that read nothing but their values: no person, no token, no request.
    """
    return once((macro, *values), lambda: cast(Markup, macro(*values)))
