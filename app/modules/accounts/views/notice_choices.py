"""How a person wants to be told of things: in general, and of single sites."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.business.accounts.models import Role
from app.business.accounts.services import notice_choices
from app.business.accounts.services.notice_choices import GENERAL, KINDS, NoticeKind, Way, choices_of
from app.business.outlets.services import refusals
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.accounts.forms import NoticeChoicesForm
from app.modules.web import see_other


@allow(Role.VIEWER)
def show() -> str:
    site = _site()
    form = NoticeChoicesForm(formdata=None)
    form.offer(has_general=site is not None)
    for kind, way in _present(site).items():
        form[kind].data = way
    return _page(form, site)


@allow(Role.VIEWER)
def save() -> ResponseReturnValue:
    """Keep the choices for everything, or for one site. Who chooses mail again has no longer unsubscribed; what the
    person leaves as it is stays without mail.
    """
    site, form = _site(), NoticeChoicesForm()
    form.offer(has_general=site is not None)
    if not form.validate():
        return _page(form, site), 422
    session, user = db.session(), current_person().user
    ways: dict[str, Way | None] = {
        kind: Way(form[kind].data) if form[kind].data else None for kind in _kinds(site)
    }
    refusals.keep_as_choices(session, user)
    notice_choices.choose(session, user, ways, site.id if site else GENERAL)
    user.updated_at = datetime.now(UTC)
    db.session.commit()
    flash("Saved.", "success")
    return see_other(url_for(".notice_choices", site=site.id if site else None))


def _present(site: Site | None) -> dict[NoticeKind, str]:
    """The ways that hold; empty where a site has none of its own."""
    session, user = db.session(), current_person().user
    choices = choices_of(session, [user])[user.id]
    refused = refusals.refused_kinds(session, user.account_id, user.email)
    ways: dict[NoticeKind, str] = {
        kind: choices.way(kind) if site is None else choices.chosen.get((kind, site.id), "")
        for kind in _kinds(site)
    }
    # Whoever has unsubscribed gets none, of no site either.
    return {
        kind: Way.CONSOLE if refusals.stands_against(kind, way, refused) else way
        for kind, way in ways.items()
    }


def _kinds(site: Site | None) -> list[NoticeKind]:
    """The morning line is about all sites."""
    return [kind for kind in KINDS if site is None or kind != NoticeKind.MORNING]


def _site() -> Site | None:
    site_id = request.args.get("site", type=int)
    return owned_or_404(Site, site_id) if site_id else None


def _page(form: NoticeChoicesForm, site: Site | None) -> str:
    session, person = db.session(), current_person()
    sites = session.scalars(select(Site).where(person.scope.sees(Site)).order_by(Site.name, Site.id)).all()
    return render_template(
        "pages/accounts/notice_choices.html",
        form=form,
        site=site,
        sites=sites,
        own=notice_choices.sites_with_choices(session, person.user),
        fields=[form[kind] for kind in _kinds(site)],
    )
