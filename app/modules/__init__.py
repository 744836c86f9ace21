"""Pages and REST API, one package for each area; `register` is the list of them."""

from flask import Flask

from app.modules import (
    access,
    callers,
    compression,
    errors,
    forms,
    hosts,
    live,
    quotas,
    sent_once,
    throttle,
    web,
)
from app.modules.accounts import urls as accounts
from app.modules.automation import pages as automation
from app.modules.automation.api import urls as automation_api
from app.modules.billing import urls as billing
from app.modules.gate.numbers import init_gate
from app.modules.gate.preconditions import init_preconditions
from app.modules.openapi import urls as openapi
from app.modules.outlets import urls as outlets
from app.modules.planner import urls as planner
from app.modules.system import urls as system
from app.modules.writer import urls as writer
from app.settings import Settings


def register(app: Flask, settings: Settings) -> None:
    """Everything that answers HTTP."""
    compression.init_compression(app)
    init_gate(app)
    hosts.init_hosts(app, settings)
    web.init_web(app, settings)
    app.add_template_global(sent_once.request_key)
    app.add_template_global(forms.options_of)
    live.init_short_answer(app)
    throttle.init_throttle(app, settings)
    callers.init_callers(app, settings)
    access.init_access(app, settings)
    quotas.init_quotas(app)
    live.init_live(app)
    init_preconditions(app)
    errors.init_errors(app)
    pages = (automation.blueprint, system.blueprint)
    for blueprint in (
        *pages,
        *accounts.blueprints,
        *billing.blueprints,
        *automation_api.blueprints,
        *openapi.blueprints,
        *outlets.blueprints,
        *planner.blueprints,
        *writer.blueprints,
    ):
        app.register_blueprint(blueprint)
