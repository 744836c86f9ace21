"""Addresses of the pages of sites, keywords, clusters and ideas; the REST calls declare theirs in `api`."""

from flask import Blueprint

from app.modules.planner import api, decisions_api, import_api, regrouping_api
from app.modules.planner.views import clusters, grouping, ideas, keyword_import, keywords, sites

blueprint = Blueprint("planner", __name__)
add = blueprint.add_url_rule

add("/sites", "sites", sites.index)
add("/sites/new", "new_site", sites.add, methods=["GET", "POST"])
add("/sites/<int:id>", "site", sites.show)
add("/sites/<int:id>/edit", "edit_site", sites.edit, methods=["GET", "POST"])
add("/sites/<int:id>/grouping", "grouping", grouping.show)
add("/sites/<int:id>/grouping/preview", "preview_grouping", grouping.preview, methods=["POST"])
add("/sites/<int:id>/grouping", "choose_grouping", grouping.choose, methods=["POST"])
add("/sites/<int:id>/sectors", "add_sector", sites.add_sector, methods=["POST"])
add("/sites/sectors/<int:id>/edit", "edit_sector", sites.rename_sector, methods=["GET", "POST"])

add("/keywords", "keywords", keywords.index)
add("/keywords/new", "new_keyword", keywords.add, methods=["GET", "POST"])
add("/keywords/decide", "decide_keywords", keywords.decide, methods=["POST"])
add("/keywords/<int:id>", "keyword", keywords.show)
add("/keywords/<int:id>/edit", "edit_keyword", keywords.edit, methods=["GET", "POST"])
add("/keywords/import", "import_keywords", keyword_import.choose, methods=["GET", "POST"])
add("/keywords/import/<name>", "preview_import", keyword_import.preview, methods=["GET", "POST"])

add("/clusters", "clusters", clusters.index)
add("/clusters/new", "new_cluster", clusters.add, methods=["GET", "POST"])
add("/clusters/<int:id>", "cluster", clusters.show)
add("/clusters/<int:id>/edit", "edit_cluster", clusters.edit, methods=["GET", "POST"])
add("/clusters/<int:id>/merge", "merge_cluster", clusters.merge, methods=["POST"])
add("/clusters/<int:id>/keywords", "regroup_keywords", clusters.regroup, methods=["POST"])

add("/ideas", "ideas", ideas.index)
add("/ideas/new", "new_idea", ideas.add, methods=["GET", "POST"])
add("/ideas/decide", "decide_ideas", ideas.decide, methods=["POST"])
add("/ideas/<int:id>", "idea", ideas.show)
add("/ideas/<int:id>/edit", "edit_idea", ideas.edit, methods=["GET", "POST"])

DECLARING = (api, decisions_api, import_api, regrouping_api)
blueprints = (blueprint, api.api)
