"""Saving and testing a site's WordPress, for its page and the API."""

from datetime import UTC, datetime

from flask import current_app

from app.business.errors import Invalid
from app.business.outlets.services import wordpress_connections
from app.business.outlets.services.wordpress_connections import WordPressValues
from app.business.outlets.wordpress_models import WordPressConnection
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.wordpress.probe import SiteProbe, probe
from app.modules.access import current_person
from app.settings import Settings


def find(site: Site) -> WordPressConnection | None:
    """The site's connection."""
    return wordpress_connections.find(db.session(), site.account_id, site.id)


def save(site: Site, values: WordPressValues) -> WordPressConnection:
    """Connect the site. Raises Invalid, also for an address that the outbound policy forbids."""
    settings, person = _settings(), current_person()
    try:
        OutboundPolicy.of(settings).check(values.url)
    except OutboundRefused as refusal:
        raise Invalid({"url": [str(refusal)]}) from None
    seal = SecretBox.of(settings).seal
    return wordpress_connections.save(
        db.session(), site.account_id, site.id, person.actor, values, seal=seal, now=datetime.now(UTC)
    )


def test(row: WordPressConnection) -> SiteProbe:
    """Test the site. No transaction is open during the call."""
    tested = wordpress_connections.as_data(row)
    db.session.commit()
    found = probe(tested, SecretBox.of(_settings()), OutboundPolicy.of(_settings()))
    wordpress_connections.note_test(db.session(), tested, ok=found.ok, now=datetime.now(UTC))
    db.session.commit()
    return found


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found
