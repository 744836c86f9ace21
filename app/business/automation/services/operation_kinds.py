"""The kinds of operations there are, and who does each: one line a kind."""

from collections.abc import Mapping

from app.business.automation.services.operations import Handler

KINDS: Mapping[str, Handler] = {}
