"""How templates are drawn: values are written without copies, macros are imported without comparing names, and what
never differs is drawn once."""

import re
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Any, cast

from flask import Flask
from jinja2 import Template, nodes
from jinja2.compiler import CodeGenerator, Frame, optimizeconst
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro
from markupsafe import Markup, escape

from app.modules.once import once

MOST_KEPT = 1_000
PLAIN = (FunctionType, MethodType, type(lru_cache(len)))
"""What is called as it is, unless it is marked."""
_finds_sign = re.compile("[&<>'\"]").search


def written(value: Any) -> str:
    """The value as it stands on a page: `escape`, but text without a sign of HTML, HTML and numbers as they are.

    `escape` makes a new object of each, which takes most of its time, and a page has thousands.
    """
    kind = type(value)
    if kind is Markup or (kind is str and not _finds_sign(value)):
        text: str = value
        return text
    return str(value) if kind is int or kind is float else escape(value)


class ConsoleCode(CodeGenerator):
    """Templates as Python code that writes values by `written`."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 - Jinja's name
        """Import it."""
        self.writeline(f"from {written.__module__} import {written.__name__}")
        super().visit_Template(node, frame)

    @optimizeconst
    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """The attribute as Python has it; Jinja's own way, which is a function of Python, only where there is none."""
        self.write("(_found if (_found := getattr(_of := ")
        self.visit(node.node, frame)
        self.write(f", {node.attr!r}, missing)) is not missing else environment.getattr(_of, {node.attr!r}))")

    def _output_child_pre(
        self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo
    ) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write(f"{written.__name__}(")


class ConsoleContext(Context):
    """What a template sees. Macros and plain functions are called without looking what they want to be given."""

    def call(self, called: Any, /, *values: Any, **named: Any) -> Any:
        """`called` with the values; where it is neither, as Jinja does."""
        kind = type(called)
        if kind is not Macro and (kind not in PLAIN or hasattr(called, "jinja_pass_arg")):
            return super().call(called, *values, **named)
        if named:
            # Of the compiler, for functions that are given the context.
            named.pop("_block_vars", None)
            named.pop("_loop_vars", None)
        return called(self.eval_ctx, *values, **named) if kind is Macro else called(*values, **named)


class ConsoleTemplate(Template):
    """A template whose globals are those of the environment, as all of ours are.

    Jinja compares the names of all globals at each import, which takes longer than most macros that are imported.
    """

    def _get_default_module(self, _ctx: Context | None = None) -> TemplateModule:
        return super()._get_default_module()


def init_drawings(app: Flask) -> None:
    """Call it before the first template is loaded."""
    app.jinja_env.template_class = ConsoleTemplate
    app.jinja_env.code_generator_class = ConsoleCode
    app.jinja_env.context_class = ConsoleContext
    app.add_template_global(drawn)
    app.add_template_global(kept)


def kept(macro: Macro, most: int = MOST_KEPT) -> Callable[..., Markup]:
    """The macro, which draws the same values once and keeps so many drawings. Only for macros that read nothing but
    their values."""
    # Typed: text that is to be escaped and text that is not may be equal.
    return cast(Callable[..., Markup], lru_cache(maxsize=most, typed=True)(macro))


def drawn(macro: Macro, *values: Any) -> Markup:
    """`macro(*values)`, drawn once for the same values, which can be hashed.

    Only for macros that read nothing but their values: no person, no token, no request.
    """
    return once((macro, *values), lambda: cast(Markup, macro(*values)))
