"""The blueprint on which every file of this package declares its calls."""

from app.modules.api.declaration import ApiBlueprint

api = ApiBlueprint("automation_api", __name__, url_prefix="/api/automation")
