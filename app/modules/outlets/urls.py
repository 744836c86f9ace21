"""Address of the AI service's page; the REST calls declare theirs in `api`."""

from flask import Blueprint

from app.modules.outlets import api, views

blueprint = Blueprint("outlets", __name__)
add = blueprint.add_url_rule

add("/ai-service", "ai", views.show)
add("/ai-service", "save_ai", views.save, methods=["POST"])
add("/ai-service/test", "test_ai", views.test, methods=["POST"])
add("/ai-service/remove", "remove_ai", views.remove, methods=["POST"])

blueprints = (blueprint, api.api)
