"""The REST calls of automation; each module declares its own."""

from app.modules.automation.api import (
    calendar,
    explanation,
    incidents,
    mcp,
    notices,
    operations,
    preview,
    rules,
    runs,
    transfer,
)
from app.modules.automation.api.blueprint import api

DECLARING = (calendar, explanation, incidents, mcp, notices, operations, preview, rules, runs, transfer)
blueprints = (api, mcp.api)
