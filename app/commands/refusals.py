"""A command that is refused prints one plain sentence on standard error and exits with 1."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import DBAPIError

from app.business.database_faults import WITHOUT_TABLES, fault_of, first_line
from app.business.errors import Refusal

SET_UP = "Run “flask --app wsgi db upgrade” first; if a console runs, stop it before that."

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
            # Nothing may run yet: the advice of the pages would say to stop it.
            advice = SET_UP if fault is WITHOUT_TABLES else fault.advice
            raise click.ClickException(
                f"The database cannot be used: {first_line(error)}. {advice}"
            ) from None

    return run
