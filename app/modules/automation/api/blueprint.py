"""The blueprint on which all modules of this package declare their calls."""

from app.modules.api.declaration import ApiBlueprint

api = ApiBlueprint("automation_api", __name__, url_prefix="/api/automation")
