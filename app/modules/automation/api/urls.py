"""The REST calls of automation; each module declares its own."""

from app.modules.automation.api import explanation, incidents, operations, preview, rules, runs, transfer
from app.modules.automation.api.blueprint import api

DECLARING = (explanation, incidents, operations, preview, rules, runs, transfer)
blueprints = (api,)
