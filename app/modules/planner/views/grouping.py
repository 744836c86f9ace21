"""How a site's keywords are grouped: tried on some of them, then chosen."""

from dataclasses import replace
from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services import form_requests
from app.business.errors import Busy, Conflict
from app.business.language_model import ModelConnection, ProviderFault
from app.business.outlets.services.ai_connections import connection_of
from app.business.planner.models import Grouping, Site, Tightness
from app.business.planner.services import site_service
from app.business.planner.services.grouping_preview import GroupingPreview, PreviewSample, sample_of_site
from app.infrastructure.database import db
from app.infrastructure.grouping_preview import preview_apart
from app.modules.access import allow, current_person, owned_or_404
from app.modules.planner.forms import GroupingForm
from app.modules.planner.preview_vectors import vectors_by_service
from app.modules.sent_once import FIELD, SENT_BEFORE
from app.modules.web import see_other

CLUSTERS_SHOWN = 25
NO_KEYWORDS = "The site has no keywords yet. Import some first."
OTHER_NUMBER = (
    "The number of keywords to send has changed. Nothing was sent: look at it, and ask for the preview again."
)
CHOSEN = (
    "Chosen. Keywords that are grouped from now on follow it. Clusters that somebody has changed or worked on stay; "
    "the others stay until their sector has grown by half."
)


@allow(Role.OWNER)
def show(id: int) -> ResponseReturnValue:
    """The choice, and what a preview of it would send to whom."""
    site = owned_or_404(Site, id)
    return _page(site, GroupingForm(obj=site))


@allow(Role.OWNER)
def preview(id: int) -> ResponseReturnValue:
    """What a choice would make of some keywords, which moves none. The vectors of an AI service cost money: they are
    asked for only if the page has named the number of texts.
    """
    site, form = owned_or_404(Site, id), GroupingForm()
    if not form.validate():
        return _page(site, form), 422
    sample, connection = sample_of_site(db.session(), site), _service(site)
    if sample is None:
        return _page(site, form, fault=NO_KEYWORDS)
    if connection and request.form.get("texts", type=int) != len(sample.keywords):
        return _page(site, form, fault=OTHER_NUMBER), Conflict.status
    if connection and _was_sent():
        flash(SENT_BEFORE, "info")
        return see_other(url_for("planner.grouping", id=id))
    try:
        found = _found(sample, connection, Grouping(form.grouping.data), Tightness(form.tightness.data))
    except (ProviderFault, Busy) as refusal:
        return _page(site, form, fault=refusal.message), Busy.status
    return _page(site, form, found)


def _found(
    sample: PreviewSample, connection: ModelConnection | None, grouping: Grouping, tightness: Tightness
) -> GroupingPreview:
    """Raises ProviderFault, Busy."""
    # No transaction stays open while the sample is grouped; a second click finds that the first was sent.
    db.session.commit()
    if connection:
        texts = [keyword.text for keyword in sample.keywords]
        vectors = vectors_by_service(current_person().account, connection, texts)
        sample = replace(sample, vectors=vectors)
    return preview_apart(sample, grouping, tightness)


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


def _was_sent() -> bool:
    """Whether this form was sent before: a second click does not pay a second time."""
    person, key = current_person(), request.form.get(FIELD, "")[: form_requests.KEY_LIMIT]
    now = datetime.now(UTC)
    return bool(key) and not form_requests.take(db.session(), person.account.id, person.user.id, key, now)


def _service(site: Site) -> ModelConnection | None:
    """The connection whose vectors the account's keywords get."""
    connection = connection_of(db.session(), site.account_id)
    return connection if connection and connection.embedding_model else None


def _page(site: Site, form: GroupingForm, found: GroupingPreview | None = None, *, fault: str = "") -> str:
    sample, connection = sample_of_site(db.session(), site), _service(site)
    return render_template(
        "pages/planner/grouping.html",
        site=site,
        form=form,
        found=found,
        fault=fault,
        most=CLUSTERS_SHOWN,
        count=len(sample.keywords) if sample else 0,
        sector=sample.sector if sample else "",
        service=connection.embedding_model if connection else "",
    )
