"""Address of the credits page; the REST calls declare theirs in `api`."""

from flask import Blueprint

from app.modules.billing import api, forecast_api, views

blueprint = Blueprint("billing", __name__)

blueprint.add_url_rule("/credits", "credits", views.credits)

DECLARING = (forecast_api,)
blueprints = (blueprint, api.api)
