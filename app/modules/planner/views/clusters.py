"""Clusters: the list, one with its keywords; rename, merge, split, move keywords."""

from datetime import UTC, datetime

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import Invalid
from app.business.planner.models import Cluster
from app.business.planner.services import cluster_service
from app.business.planner.services.record_lists import (
    CLUSTERS,
    IDEAS,
    KEYWORDS,
    cluster_figures,
    neighbours,
)
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.ask_first import ask, is_confirmed
from app.modules.display import plural
from app.modules.gate.numbers import row_id
from app.modules.list_columns import chosen_columns
from app.modules.planner.forms import ClusterFilterForm, ClusterForm, KeywordFilterForm, NewClusterForm
from app.modules.planner.list_columns import cluster_columns
from app.modules.record_editing import Editing, edit_page, form_page
from app.modules.record_forms import SHARED_LAYOUT, place_choices, site_first
from app.modules.record_pages import read_list, ticked_ids, trail_of
from app.modules.web import page_or_partial, see_other

EDITING = Editing(
    noun="cluster",
    model=Cluster,
    form=ClusterForm,
    layout=(("name", "place"), ("main_keyword", "main_intent"), *SHARED_LAYOUT),
    path=lambda _row: [("Clusters", url_for("planner.clusters"))],
    name=lambda row: row.name,
    page=lambda row: url_for("planner.cluster", id=row.id),
    here=lambda row: url_for("planner.edit_cluster", id=row.id),
    save=lambda row, changes, seen, now: cluster_service.update_cluster(
        db.session(), row, changes, seen=seen, origin=current_person().origin, now=now
    ),
)


@allow(Role.VIEWER)
def index() -> str:
    """The list with each cluster's figures."""
    form = ClusterFilterForm()
    rows = read_list(CLUSTERS, form, "cluster", export="planner_api.export_clusters")
    figures = cluster_figures(db.session(), [cluster.id for cluster in rows.rows])
    return page_or_partial(
        "pages/planner/clusters.html",
        "partials/planner/clusters_table.html",
        form=form,
        list=rows,
        columns=chosen_columns(cluster_columns(figures)),
    )


@allow(Role.OPERATOR)
def add() -> ResponseReturnValue:
    if not place_choices():
        return site_first()
    form, now = NewClusterForm(), datetime.now(UTC)
    if form.validate_on_submit() and form.taken(
        lambda: cluster_service.create_cluster(
            db.session(),
            form.place.sector(now),
            form.values("place"),
            origin=current_person().origin,
            now=now,
        )
    ):
        db.session.commit()
        flash("The cluster is here. Move keywords into it from another cluster's page.", "success")
        return see_other(url_for("planner.clusters"))
    return form_page(EDITING, form, url_for("planner.new_cluster"))


@allow(Role.VIEWER)
def show(id: int) -> str:
    return _page(owned_or_404(Cluster, id))


@allow(Role.OPERATOR)
def edit(id: int) -> ResponseReturnValue:
    return edit_page(EDITING, id)


@allow(Role.OPERATOR)
def merge(id: int) -> ResponseReturnValue:
    """Move another cluster's keywords and ideas into this one; the other is removed."""
    target, other = owned_or_404(Cluster, id), _chosen_cluster()
    name = other.name
    if not is_confirmed():
        return _ask_merge(target, other)
    cluster_service.merge_clusters(
        db.session(), target, [other], origin=current_person().origin, now=datetime.now(UTC)
    )
    db.session.commit()
    flash(f"“{name}” is now part of “{target.name}”.", "success")
    return see_other(url_for("planner.cluster", id=id))


def _ask_merge(target: Cluster, other: Cluster) -> str:
    figures = cluster_figures(db.session(), [other.id])[other.id]
    keywords, ideas = plural(figures.keyword_count, "keyword"), plural(figures.idea_count, "idea")
    lines = [
        f"{keywords} and {ideas} go over to “{target.name}”.",
        f"The cluster “{other.name}” is gone then: this cannot be taken back.",
    ]
    return ask(
        f"Merge “{other.name}” into “{target.name}”?",
        lines,
        "Merge",
        url_for("planner.cluster", id=target.id),
    )


@allow(Role.OPERATOR)
def regroup(id: int) -> ResponseReturnValue:
    """The buttons below the keywords: move the ticked ones, split them off, or take them out."""
    cluster, ids = owned_or_404(Cluster, id), ticked_ids()
    steps = {"move": _move, "split": _split, "release": _release}
    step = steps.get(request.form.get("do", ""))
    if step is None:
        raise Invalid({"do": ["Choose what to do with the ticked keywords."]})
    message = step(cluster, ids, datetime.now(UTC))
    db.session.commit()
    flash(message, "success")
    return see_other(url_for("planner.cluster", id=id))


def _move(_cluster: Cluster, ids: list[int], now: datetime) -> str:
    target = _chosen_cluster()
    moved = cluster_service.move_keywords(db.session(), target, ids, origin=current_person().origin, now=now)
    return f"{plural(len(moved), 'keyword')} moved to “{target.name}”."


def _split(cluster: Cluster, ids: list[int], now: datetime) -> str:
    name = request.form.get("name", "")
    new = cluster_service.split_cluster(
        db.session(), cluster, name, ids, origin=current_person().origin, now=now
    )
    return f"{plural(len(ids), 'keyword')} split off into “{new.name}”."


def _release(cluster: Cluster, ids: list[int], now: datetime) -> str:
    freed = cluster_service.release_keywords(
        db.session(), cluster, ids, origin=current_person().origin, now=now
    )
    return f"{plural(len(freed), 'keyword')} taken out: new again, and free for other clusters."


def _chosen_cluster() -> Cluster:
    chosen = row_id(request.form.get("cluster"))
    if chosen is None:
        raise Invalid({"cluster": ["Choose the other cluster first."]})
    return owned_or_404(Cluster, chosen)


def _page(cluster: Cluster) -> str:
    session, scope = db.session(), current_person().scope
    return page_or_partial(
        "pages/planner/cluster.html",
        "partials/planner/cluster_keywords.html",
        cluster=cluster,
        figures=cluster_figures(session, [cluster.id])[cluster.id],
        list=read_list(KEYWORDS, KeywordFilterForm(), "keyword", cluster=cluster.id),
        ideas=IDEAS.page(session, scope, {"cluster": cluster.id}, limit=20).rows,
        others=neighbours(session, cluster),
        trail=trail_of(cluster),
    )
