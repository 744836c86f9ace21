"""The page of a site's WordPress: owners connect it, editors see and test it."""

from datetime import UTC, datetime

from flask import flash, g, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import Invalid
from app.business.outlets.services import wordpress_connections
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.infrastructure.wordpress.probe import SiteProbe
from app.modules.access import allow, current_person, owned_or_404
from app.modules.outlets import site_connection
from app.modules.outlets.wordpress_forms import STATUSES, WordPressForm
from app.modules.quotas import SITE_TESTS, limited
from app.modules.web import see_other


@allow(Role.EDITOR)
def show(id: int) -> ResponseReturnValue:
    site = owned_or_404(Site, id)
    return _page(site, _filled(site))


@allow(Role.OWNER)
def save(id: int) -> ResponseReturnValue:
    """Connect the site, or change the connection."""
    site, form = owned_or_404(Site, id), WordPressForm()
    if not form.validate():
        return _page(site, form), 422
    try:
        site_connection.save(site, form.values)
    except Invalid as refusal:
        db.session.rollback()
        for name, sentences in refusal.errors.items():
            form[name].errors = [*form[name].errors, *sentences]
        return _page(site, form), 422
    db.session.commit()
    flash("Saved. Test the connection before a rule uses it.", "success")
    return see_other(url_for("outlets.wordpress", id=id))


@allow(Role.EDITOR)
@limited(SITE_TESTS)
def test(id: int) -> ResponseReturnValue:
    """Test the connection and show the result."""
    site = owned_or_404(Site, id)
    row = site_connection.find(site)
    if row is None:
        flash("No WordPress is connected to this site yet.", "warning")
        return see_other(url_for("outlets.wordpress", id=id))
    found = site_connection.test(row)
    db.session.refresh(row)
    return _page(site, _filled(site), found)


@allow(Role.OWNER)
def remove(id: int) -> ResponseReturnValue:
    """Disconnect the site."""
    site = owned_or_404(Site, id)
    if row := site_connection.find(site):
        wordpress_connections.remove(db.session(), row, current_person().actor, datetime.now(UTC))
        db.session.commit()
    flash("Disconnected, and the password is deleted. Posts stay as they are.", "success")
    return see_other(url_for("outlets.wordpress", id=id))


def _filled(site: Site) -> WordPressForm:
    form = WordPressForm(formdata=None)
    if row := site_connection.find(site):
        form.fill(row)
    else:
        form.url.data = site.url
    return form


def _page(site: Site, form: WordPressForm, tested: SiteProbe | None = None) -> str:
    g.menu_entry = "planner.sites"
    row = site_connection.find(site)
    if row is None:
        form.application_password.flags.required = True
    return render_template(
        "pages/outlets/wordpress.html",
        site=site,
        form=form,
        row=row,
        tested=tested,
        post_status=STATUSES[row.default_status] if row else None,
    )
