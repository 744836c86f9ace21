"""Liveness, readiness and system health, for machines and for people."""

from datetime import UTC, datetime

from flask import Response, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.history.backlog import backlog
from app.infrastructure.database import db
from app.infrastructure.health import look
from app.infrastructure.messaging.heartbeats import LatestHeartbeats
from app.infrastructure.process_restarts import restarts
from app.infrastructure.readiness import check_readiness
from app.infrastructure.redis_connection import connect
from app.modules.access import allow, current_person
from app.modules.display import viewer_zone
from app.modules.live import live_mark, unchanged

WEB_WORKS_WITHOUT = {"workers"}
"""Reported by readyz, but no reason to take the console out of service."""


@allow.anyone
def healthz() -> ResponseReturnValue:
    return jsonify(status="ok")


@allow.anyone
def readyz() -> ResponseReturnValue:
    """Whether requests and runs are served: 200, or 503 with what is missing. No secrets, open to all."""
    with connect(current_app.extensions["settings"]) as server:
        checks = check_readiness(server, LatestHeartbeats(server, datetime.now(UTC)))
    ready = all(state == "ok" for name, state in checks.items() if name not in WEB_WORKS_WITHOUT)
    return jsonify(status="ready" if ready else "not ready", checks=checks), 200 if ready else 503


@allow(Role.VIEWER)
def moved() -> ResponseReturnValue:
    """Whether anything has changed since the mark that the page sends: 304 while nothing has."""
    mark = live_mark()
    if request.if_none_match.contains(mark):
        return unchanged(mark)
    response = Response(status=204)
    response.set_etag(mark)
    return response


@allow(Role.VIEWER)
def header() -> str:
    """The parts above every page, for pages that must not be reloaded."""
    return render_template("layouts/console.html")


@allow(Role.VIEWER, whole_account=True)
def health() -> str:
    """Each part of the machinery with what to do, and the account's work in progress."""
    account, now = current_person().account, datetime.now(UTC)
    return render_template(
        "pages/system/health.html",
        health=look(current_app.extensions["settings"], now),
        backlog=backlog(db.session(), account.id, now),
        unaccounted=unaccounted(db.session(), account.id, now),
        restarts=restarts(db.session(), now, viewer_zone()),
        now=now,
    )
