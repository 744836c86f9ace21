"""Addresses of the pages of connections; the REST calls declare theirs."""

from flask import Blueprint

from app.modules.outlets import (
    api,
    incoming_api,
    incoming_views,
    unsubscribe_views,
    views,
    webhook_api,
    webhook_views,
    wordpress_api,
    wordpress_views,
)

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
add("/incoming", "incoming", incoming_views.show)
add("/incoming", "renew_incoming", incoming_views.renew, methods=["POST"])
add("/incoming/end", "end_incoming", incoming_views.end, methods=["POST"])
add("/webhooks", "webhooks", webhook_views.show_all)
add("/webhooks/new", "new_webhook", webhook_views.new)
add("/webhooks/new", "add_webhook", webhook_views.add, methods=["POST"])
add("/webhooks/<int:id>", "webhook", webhook_views.show)
add("/webhooks/<int:id>/edit", "edit_webhook", webhook_views.edit)
add("/webhooks/<int:id>/edit", "save_webhook", webhook_views.save, methods=["POST"])
add("/webhooks/<int:id>/test", "test_webhook", webhook_views.test, methods=["POST"])
add("/webhooks/<int:id>/switch", "switch_webhook", webhook_views.switch, methods=["POST"])
add("/webhooks/<int:id>/secret", "rotate_webhook", webhook_views.rotate, methods=["POST"])
add("/webhooks/<int:id>/delete", "remove_webhook", webhook_views.remove, methods=["POST"])
add("/webhooks/deliveries/<int:id>", "delivery", webhook_views.show_delivery)
add("/webhooks/deliveries/<int:id>/send", "resend", webhook_views.resend, methods=["POST"])


add("/unsubscribe/<token>", "ask_unsubscribe", unsubscribe_views.ask)
add("/unsubscribe/<token>", "unsubscribe", unsubscribe_views.unsubscribe, methods=["POST"])

blueprints = (blueprint, api.api, incoming_api.api, webhook_api.api, wordpress_api.api)
