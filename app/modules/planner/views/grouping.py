"""How a site's keywords are grouped: tried on some of them, then chosen."""

from dataclasses import replace
from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import Busy
from app.business.language_model import ProviderFault
from app.business.outlets.services.ai_connections import connection_of
from app.business.planner.models import Grouping, Site, Tightness
from app.business.planner.services import site_service
from app.business.planner.services.grouping_preview import GroupingPreview, sample_of_site
from app.infrastructure.database import db
from app.infrastructure.grouping_preview import preview_apart
from app.modules.access import allow, current_person, owned_or_404
from app.modules.planner.forms import GroupingForm
from app.modules.planner.preview_vectors import vectors_by_service
from app.modules.web import see_other

CLUSTERS_SHOWN = 25
CHOSEN = (
    "Chosen. Keywords that are grouped from now on follow it. Clusters that somebody has changed or worked on stay; "
    "the others stay until their sector has grown by half."
)


@allow(Role.OWNER)
def show(id: int) -> ResponseReturnValue:
    """The choice; with `?grouping=&tightness=` also what it would make of some keywords, which moves none."""
    site = owned_or_404(Site, id)
    form = _form(site)
    if not request.args:
        return _page(site, form)
    if not all(field.validate(form) for field in (form.grouping, form.tightness)):
        return _page(site, form), 422
    connection = connection_of(db.session(), site.account_id)
    sample = sample_of_site(db.session(), site)
    # Nothing was written: no transaction stays open while the sample is grouped.
    db.session.rollback()
    if sample is None:
        return _page(site, form, fault="The site has no keywords yet. Import some first.")
    choice = Grouping(form.grouping.data), Tightness(form.tightness.data)
    service = connection.embedding_model if connection else ""
    try:
        if connection and service:
            texts = [keyword.text for keyword in sample.keywords]
            vectors = vectors_by_service(current_person().account, connection, texts)
            sample = replace(sample, vectors=vectors)
        found = preview_apart(sample, *choice)
    except ProviderFault as fault:
        return _page(site, form, fault=fault.message), Busy.status
    except Busy as refusal:
        return _page(site, form, fault=refusal.message), refusal.status
    return _page(site, form, found, count=len(sample.keywords), sector=sample.sector, service=service)


@allow(Role.OWNER)
def choose(id: int) -> ResponseReturnValue:
    """Keywords that are grouped from now on follow the choice; nothing is moved now."""
    site, form = owned_or_404(Site, id), GroupingForm()
    if not form.validate():
        return _page(site, form), 422
    changes = {"grouping": form.grouping.data, "tightness": form.tightness.data}
    site_service.update_site(db.session(), site, changes, now=datetime.now(UTC))
    db.session.commit()
    flash(CHOSEN, "success")
    return see_other(url_for("planner.site", id=id))


def _form(site: Site) -> GroupingForm:
    """With what is asked for, else with what is chosen."""
    form = GroupingForm(formdata=None)
    for name in ("grouping", "tightness"):
        form[name].data = request.args.get(name, getattr(site, name))
    return form


def _page(
    site: Site, form: GroupingForm, found: GroupingPreview | None = None, *, fault: str = "", **facts: object
) -> str:
    return render_template(
        "pages/planner/grouping.html",
        site=site,
        form=form,
        found=found,
        fault=fault,
        most=CLUSTERS_SHOWN,
        **facts,
    )
