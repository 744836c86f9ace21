"""Addresses of the credits page."""

from flask import Blueprint

from app.modules.billing import views

blueprint = Blueprint("billing", __name__)

blueprint.add_url_rule("/credits", "credits", views.credits)
