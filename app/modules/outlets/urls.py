"""Addresses of the pages of connections; the REST calls declare theirs."""

from flask import Blueprint

from app.modules.outlets import api, views, wordpress_api, wordpress_views

blueprint = Blueprint("outlets", __name__)
add = blueprint.add_url_rule

add("/ai-service", "ai", views.show)
add("/ai-service", "save_ai", views.save, methods=["POST"])
add("/ai-service/test", "test_ai", views.test, methods=["POST"])
add("/ai-service/remove", "remove_ai", views.remove, methods=["POST"])

add("/sites/<int:id>/wordpress", "wordpress", wordpress_views.show)
add("/sites/<int:id>/wordpress", "save_wordpress", wordpress_views.save, methods=["POST"])
add("/sites/<int:id>/wordpress/test", "test_wordpress", wordpress_views.test, methods=["POST"])
add("/sites/<int:id>/wordpress/remove", "remove_wordpress", wordpress_views.remove, methods=["POST"])

blueprints = (blueprint, api.api, wordpress_api.api)
