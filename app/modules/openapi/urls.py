"""Addresses of the API document."""

from app.modules.openapi import views
from app.modules.openapi.views import api, pages

pages.add_url_rule("/api/docs", "docs", views.docs, strict_slashes=False)
pages.add_url_rule("/api/docs/<operation>", "call", views.call, strict_slashes=False)

blueprints = (api, pages)
