"""Addresses for machines that watch the console, and the page for people."""

from flask import Blueprint

from app.modules.system import views

blueprint = Blueprint("system", __name__)

blueprint.add_url_rule("/healthz", "healthz", views.healthz)
blueprint.add_url_rule("/system", "health", views.health)
blueprint.add_url_rule("/system/moved", "moved", views.moved)
blueprint.add_url_rule("/system/header", "header", views.header)
blueprint.add_url_rule("/readyz", "readyz", views.readyz)
