"""Address of the credits page; the REST calls declare theirs in `api`."""

from flask import Blueprint

from app.modules.billing import api, views

blueprint = Blueprint("billing", __name__)

blueprint.add_url_rule("/credits", "credits", views.credits)

blueprints = (blueprint, api.api)
