"""Addresses of the credits page and of its REST resources."""

from flask import Blueprint

from app.modules.billing import api, views

blueprint = Blueprint("billing", __name__)

blueprint.add_url_rule("/credits", "credits", views.credits)
blueprint.add_url_rule("/api/billing/credits/", "api_credits", api.show_credits, strict_slashes=False)
blueprint.add_url_rule("/api/billing/ledger/", "api_ledger", api.list_entries, strict_slashes=False)
