"""What machines ask: is the process alive, is the console ready."""

from flask import current_app, jsonify
from flask.typing import ResponseReturnValue

from app.infrastructure.readiness import check_readiness
from app.modules.access import allow


@allow.anyone
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return jsonify(status="ok")


@allow.anyone
def readyz() -> ResponseReturnValue:
    """Whether requests and runs are served: 200, or 503 naming what is missing. No secrets, open to all."""
    checks = check_readiness(current_app.extensions["settings"])
    ready = all(state == "ok" for state in checks.values())
    return jsonify(status="ready" if ready else "not ready", checks=checks), 200 if ready else 503
