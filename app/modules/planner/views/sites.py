"""Sites and their sectors."""

from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from app.business.accounts.models import Role
from app.business.automation.services.calendars.applied_calendars import openings_of
from app.business.automation.services.calendars.description import calendar_words
from app.business.automation.services.history.pipeline import pipeline
from app.business.automation.services.runs.waiting import wake_for_budget
from app.business.outlets.services import wordpress_connections
from app.business.periods import this_month
from app.business.planner.models import Keyword, Sector, Site
from app.business.planner.services import site_service
from app.business.planner.services.record_lists import places
from app.business.writer.models import Content
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.display import viewer_zone
from app.modules.planner.forms import SectorForm, SiteForm
from app.modules.record_editing import Editing, Steps, edit_page, form_page
from app.modules.web import see_other


def _save_site(site: Site, changes: dict[str, Any], seen: int | None, now: datetime) -> None:
    actor = current_person().actor
    site_service.update_site(db.session(), site, changes, seen=seen, actor=actor, now=now)
    wake_for_budget(db.session(), site.account_id, site.id)


def _save_sector(sector: Sector, changes: dict[str, Any], seen: int | None, now: datetime) -> None:
    # A form sent without its name renames nothing.
    site_service.rename_sector(db.session(), sector, changes.get("name", sector.name), seen=seen, now=now)


def _sites(_row: Site | None = None) -> Steps:
    return [("Sites", url_for("planner.sites"))]


SITE = Editing(
    noun="site",
    model=Site,
    form=SiteForm,
    layout=(
        ("name", "url"),
        ("timezone", "language"),
    ),
    later=(
        ("status", "monthly_budget"),
        ("grouping", "tightness"),
        ("about",),
        ("audience", "tone"),
        ("facts",),
        ("call_to_action", "words_to_avoid"),
    ),
    path=_sites,
    name=lambda site: site.name,
    page=lambda site: url_for("planner.site", id=site.id),
    here=lambda site: url_for("planner.edit_site", id=site.id),
    save=_save_site,
)
SECTOR = Editing(
    noun="sector",
    model=Sector,
    form=SectorForm,
    layout=(("name",),),
    path=lambda sector: [*_sites(), (sector.site.name, url_for("planner.site", id=sector.site_id))],
    name=lambda sector: sector.name,
    page=lambda sector: url_for("planner.site", id=sector.site_id),
    here=lambda sector: url_for("planner.edit_sector", id=sector.id),
    save=_save_sector,
)


@allow(Role.VIEWER)
def index() -> str:
    """Every site with its keywords, how many articles wait and are published, and whether WordPress is connected."""
    scope = current_person().scope
    counted = select(Keyword.site_id, func.count()).where(scope.sees(Keyword))
    keywords = {row[0]: row[1] for row in db.session.execute(counted.group_by(Keyword.site_id))}
    written = select(Content.site_id, Content.status, func.count()).where(scope.sees(Content))
    articles = {
        (row[0], row[1]): row[2]
        for row in db.session.execute(written.group_by(Content.site_id, Content.status))
    }
    known = places(db.session(), scope)
    connected = wordpress_connections.connected_sites(db.session(), current_person().account.id)
    return render_template(
        "pages/planner/sites.html", sites=known, keywords=keywords, articles=articles, connected=connected
    )


@allow(Role.OWNER, whole_account=True)
def add() -> ResponseReturnValue:
    form, person = SiteForm(timezone=current_person().account.timezone), current_person()
    made: list[Site] = []

    def create() -> None:
        session, account_id, now = db.session(), person.account.id, datetime.now(UTC)
        made.append(site_service.create_site(session, account_id, form.values(), actor=person.actor, now=now))

    if form.validate_on_submit() and form.taken(create):
        db.session.commit()
        flash(f"The site “{form.name.data}” is here. Import its keywords next.", "success")
        return see_other(url_for("planner.site", id=made[0].id))
    return form_page(SITE, form, url_for("planner.new_site"))


@allow(Role.OWNER)
def edit(id: int) -> ResponseReturnValue:
    return edit_page(SITE, id)


@allow(Role.VIEWER)
def show(id: int) -> str:
    return _page(owned_or_404(Site, id), SectorForm())


@allow(Role.OPERATOR)
def add_sector(id: int) -> ResponseReturnValue:
    site, form = owned_or_404(Site, id), SectorForm()
    if form.validate() and form.taken(
        lambda: site_service.create_sector(db.session(), site, form.name.data, now=datetime.now(UTC))
    ):
        db.session.commit()
        flash(f"The sector “{form.name.data}” is here.", "success")
        return see_other(url_for("planner.site", id=id))
    return _page(site, form), 422


@allow(Role.OPERATOR)
def rename_sector(id: int) -> ResponseReturnValue:
    return edit_page(SECTOR, id)


def _page(site: Site, form: SectorForm) -> str:
    scope = current_person().scope
    sectors = next(sectors for known, sectors in places(db.session(), scope) if known.id == site.id)
    counted = select(Keyword.sector_id, func.count()).where(scope.sees(Keyword), Keyword.site_id == site.id)
    keywords = {row[0]: row[1] for row in db.session.execute(counted.group_by(Keyword.sector_id))}
    month = this_month(viewer_zone().key, datetime.now(UTC)).start
    return render_template(
        "pages/planner/site.html",
        site=site,
        sectors=sectors,
        keywords=keywords,
        form=form,
        calendar=_calendar(site),
        wordpress=wordpress_connections.find(db.session(), site.account_id, site.id),
        flow=pipeline(db.session(), scope.within([site.id]), month, month),
    )


def _calendar(site: Site) -> str:
    """The calendar that rules of the site follow, in words."""
    opening = openings_of(db.session(), [site.account_id]).get((site.account_id, site.id))
    return calendar_words(opening.calendar if opening else None)
