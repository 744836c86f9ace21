"""Tests a connection and reports what is wrong as a sentence; changes nothing on the site."""

import re
from dataclasses import dataclass
from typing import Any

from app.business.language_model import ProviderFault
from app.business.outlets.site_publisher import SiteConnection
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.wordpress import faults
from app.infrastructure.wordpress.client import WordPressClient

_VERSION = re.compile(r"""<meta name=["']generator["'] content=["']WordPress ([0-9.]{1,12})""", re.IGNORECASE)
_TRACES = ("/wp-content/", "/wp-includes/", "wp-json")
NO_PASSWORDS = (
    "Application passwords are switched off on this site: a security plugin does that, or the site is not reached "
    "by https. Ask whoever runs it."
)


@dataclass(frozen=True)
class SiteProbe:
    """Result of a test. `version`: of WordPress, if the site reports it."""

    ok: bool
    message: str
    name: str | None = None
    version: str | None = None


def probe(connection: SiteConnection, box: SecretBox, policy: OutboundPolicy) -> SiteProbe:
    """Check that the site is a WordPress and that our user may publish there."""
    try:
        with WordPressClient.of(connection, box, policy) as client:
            index = _index(client)
            user = _user(client, index)
            version = _version(client)
    except ProviderFault as fault:
        return SiteProbe(False, fault.message)
    name = str(index.get("name") or "") or None
    if problem := _role_problem(user, connection):
        return SiteProbe(False, problem, name, version)
    who = str(user.get("name") or connection.username)
    return SiteProbe(True, f"WordPress answers, and {who} may publish there.", name, version)


def _index(client: WordPressClient) -> dict[str, Any]:
    response = client.index()
    said = faults.said_of(response)
    if response.is_success and "wp/v2" in said.get("namespaces", ()):
        return dict(said)
    if response.is_success or response.status_code in (404, 405, 410):
        raise ProviderFault(
            "misconfigured", faults.NO_REST if _is_wordpress(client) else faults.NOT_WORDPRESS
        )
    raise faults.of_answer(response)


def _user(client: WordPressClient, index: dict[str, Any]) -> dict[str, Any]:
    response = client.try_read("users/me", context="edit")
    if response.is_success:
        return dict(faults.said_of(response))
    ways = index.get("authentication")
    if response.status_code == 401 and isinstance(ways, list | dict) and "application-passwords" not in ways:
        raise ProviderFault("misconfigured", NO_PASSWORDS)
    raise faults.of_answer(response)


def _role_problem(user: dict[str, Any], connection: SiteConnection) -> str | None:
    may = user.get("capabilities")
    if not isinstance(may, dict):
        return faults.NOT_SIGNED_IN
    if not may.get("edit_posts"):
        return faults.ROLE_TOO_LOW
    if connection.default_status == "publish" and not may.get("publish_posts"):
        return (
            "The WordPress user may write drafts, but not publish them. Give it the role Author or Editor in "
            "WordPress, or let articles arrive as drafts."
        )
    if connection.author and not may.get("edit_others_posts"):
        return (
            "The WordPress user may not write in another author's name. Give it the role Editor in WordPress."
        )
    return None


def _is_wordpress(client: WordPressClient) -> bool:
    text = client.page().text
    return any(trace in text for trace in _TRACES)


def _version(client: WordPressClient) -> str | None:
    try:
        found = _VERSION.search(client.page().text)
    except ProviderFault:
        return None
    return found[1] if found else None
