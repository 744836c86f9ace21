"""Ideas: the list, one by one, accepting and rejecting many."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.planner.models import Cluster, Idea, IdeaStatus
from app.business.planner.services import idea_service
from app.business.planner.services.record_changes import IDEA
from app.business.planner.services.record_lists import IDEAS
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.gate.numbers import row_id
from app.modules.list_columns import chosen_columns
from app.modules.planner.forms import IdeaFilterForm, IdeaForm, NewIdeaForm
from app.modules.planner.list_columns import IDEA_COLUMNS
from app.modules.record_decisions import Decision, decide_page
from app.modules.record_editing import Editing, edit_page, form_page
from app.modules.record_forms import SHARED_LAYOUT, place_choices, site_first
from app.modules.record_pages import read_list, trail_of
from app.modules.web import page_or_partial, see_other

DECISION = Decision(
    kind=IDEA,
    list="planner.ideas",
    rows=IDEAS,
    filters=IdeaFilterForm,
    page="planner.idea",
    choose="Choose whether to accept or to reject the ideas.",
    asked={
        IdeaStatus.ACCEPTED: (
            "Accept",
            "Rules may make tasks of them, and articles of those, which cost credits.",
        ),
        IdeaStatus.REJECTED: ("Reject", "Rules make no tasks of them."),
        IdeaStatus.NEW: (
            "Decide again on",
            "They wait for a decision: rules that take accepted ideas leave them alone.",
        ),
    },
    said={IdeaStatus.ACCEPTED: "accepted", IdeaStatus.REJECTED: "rejected", IdeaStatus.NEW: "open again"},
    move=lambda session, ids, status, origin, now: idea_service.decide_ideas(
        session, ids, status, origin=origin, now=now
    ),
)

EDITING = Editing(
    noun="idea",
    model=Idea,
    form=IdeaForm,
    layout=(("title",), ("place",), ("description",), ("main_keyword", "content_type"), *SHARED_LAYOUT),
    path=lambda _row: [("Ideas", url_for("planner.ideas"))],
    name=lambda row: row.title,
    page=lambda row: url_for("planner.idea", id=row.id),
    here=lambda row: url_for("planner.edit_idea", id=row.id),
    save=lambda row, changes, seen, now: idea_service.update_idea(
        db.session(), row, changes, seen=seen, origin=current_person().origin, now=now
    ),
)


@allow(Role.VIEWER)
def index() -> str:
    form = IdeaFilterForm()
    return page_or_partial(
        "pages/planner/ideas.html",
        "partials/planner/ideas_table.html",
        form=form,
        list=read_list(IDEAS, form, "idea", export="planner_api.export_ideas"),
        columns=chosen_columns(IDEA_COLUMNS),
    )


@allow(Role.OPERATOR)
def add() -> ResponseReturnValue:
    """Create an idea by hand, for a cluster (`?cluster=`) or any sector."""
    if not place_choices():
        return site_first()
    cluster_id, now = row_id(request.args.get("cluster")), datetime.now(UTC)
    cluster = owned_or_404(Cluster, cluster_id) if cluster_id else None
    form = IdeaForm() if cluster else NewIdeaForm()
    if form.validate_on_submit() and form.taken(
        lambda: idea_service.create_idea(
            db.session(),
            cluster or form["place"].sector(now),
            form.values("place"),
            origin=current_person().origin,
            now=now,
        )
    ):
        db.session.commit()
        flash("The idea is here. Accept it to let rules make a task of it.", "success")
        return see_other(url_for("planner.ideas"))
    return form_page(EDITING, form, url_for("planner.new_idea", cluster=cluster and cluster.id))


@allow(Role.VIEWER)
def show(id: int) -> str:
    idea = owned_or_404(Idea, id)
    return render_template("pages/planner/idea.html", idea=idea, trail=trail_of(idea))


@allow(Role.OPERATOR)
def edit(id: int) -> ResponseReturnValue:
    return edit_page(EDITING, id)


@allow(Role.OPERATOR)
def decide() -> ResponseReturnValue:
    """Accept, reject or reopen the ticked ideas."""
    return decide_page(DECISION)
