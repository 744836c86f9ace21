"""Addresses of the pages of tasks and content; the REST calls declare theirs in `api`."""

from flask import Blueprint

from app.business.writer.services.article_files import FILE_KINDS
from app.modules.writer import api, decisions_api, versions_api
from app.modules.writer.views import contents, publishing, shares, tasks, versions

blueprint = Blueprint("writer", __name__)
add = blueprint.add_url_rule

add("/tasks", "tasks", tasks.index)
add("/tasks/new", "new_task", tasks.add, methods=["GET", "POST"])
add("/tasks/decide", "decide_tasks", tasks.decide, methods=["POST"])
add("/tasks/<int:id>", "task", tasks.show)
add("/tasks/<int:id>/edit", "edit_task", tasks.edit, methods=["GET", "POST"])

add("/content", "contents", contents.index)
add("/content/<int:id>", "content", contents.show)
add("/content/<int:id>/article", "article", contents.article)
add("/content/<int:id>/edit", "edit_content", contents.edit, methods=["GET", "POST"])
add("/content/<int:id>/versions", "content_versions", versions.index)
add("/content/<int:id>/versions/<int:number>", "content_version", versions.show)
add(
    "/content/<int:id>/versions/<int:number>/restore",
    "restore_content_version",
    versions.restore,
    methods=["POST"],
)
add("/content/<int:id>/decide", "decide_content", contents.decide, methods=["POST"])
add("/content/<int:id>/approval", "give_approval", contents.give_approval, methods=["POST"])
add("/content/<int:id>/check", "check_content", contents.check, methods=["POST"])
add("/content/<int:id>/written-out", "written_out", contents.written_out, methods=["POST"])
add("/content/<int:id>/shares", "share_content", shares.add, methods=["POST"])
add("/content/<int:id>/shares/<int:share>/end", "end_share", shares.end, methods=["POST"])
add("/shared/<token>", "shared", shares.show)
add("/content/<int:id>/publish", "publish", publishing.publish, methods=["POST"])
add("/content/<int:id>/start-over", "start_over", publishing.start_over, methods=["POST"])
add("/content/<int:id>/mark-published", "mark_published", publishing.mark_published, methods=["POST"])
add("/content/<int:id>/take-back-mark", "take_back_mark", publishing.take_back_mark, methods=["POST"])
for ending, kind in FILE_KINDS.items():
    add(f"/content/<int:id>/article.{ending}", f"download_{ending}", contents.download(kind))
add("/content/articles.zip", "download_many", contents.download_many)

DECLARING = (api, decisions_api, versions_api)
blueprints = (blueprint, api.api)
