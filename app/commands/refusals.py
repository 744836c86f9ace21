"""A command that is refused prints one plain sentence on standard error and exits with 1."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import DBAPIError

from app.business.database_faults import fault_of, first_line
from app.business.errors import Refusal

Given = ParamSpec("Given")
Result = TypeVar("Result")


def plain_refusals(command: Callable[Given, Result]) -> Callable[Given, Result]:
    """Turn a Refusal or a database fault into one sentence and exit code 1; wrong usage stays 2."""

    @wraps(command)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except Refusal as refusal:
            raise click.ClickException(refusal.message) from None
        except DBAPIError as error:
            fault = fault_of(error)
            if fault is None:
                raise
            raise click.ClickException(
                f"The database cannot be used: {first_line(error)}. {fault.advice}"
            ) from None

    return run
