"""A refused command says why in one plain sentence on standard error, and ends with 1."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from app.business.errors import Refusal

Given = ParamSpec("Given")
Result = TypeVar("Result")


def plain_refusals(command: Callable[Given, Result]) -> Callable[Given, Result]:
    """Turn a Refusal of `command` into its sentence and exit code 1; wrong usage stays 2."""

    @wraps(command)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except Refusal as refusal:
            raise click.ClickException(refusal.message) from None

    return run
