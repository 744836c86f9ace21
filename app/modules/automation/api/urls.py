"""The REST calls of automation; each module declares its own."""

from app.modules.automation.api import (
    calendar,
    explanation,
    incidents,
    mcp,
    notices,
    operations,
    pausing,
    preview,
    rule_changes,
    rules,
    run_lists,
    runs,
    set_aside,
    site_calendars,
    starts,
    transfer,
    versions,
)
from app.modules.automation.api.blueprint import api

DECLARING = (
    *(calendar, explanation, incidents, mcp, notices, operations, pausing, preview, rule_changes),
    *(rules, run_lists, runs, set_aside, starts, transfer, versions),
)
blueprints = (api, mcp.api, site_calendars.api)
