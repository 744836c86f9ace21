"""Content: the list, one with its preview; edit, approve, send back, download."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from flask import Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import select

from app.business.accounts.models import Role
from app.business.automation.services.history.publishing_state import publishing_state
from app.business.errors import Conflict, Forbidden, Invalid, NotFound
from app.business.outlets.services import wordpress_connections
from app.business.writer.models import Content, ContentStatus
from app.business.writer.services import content_edit
from app.business.writer.services.article_checks.score import CHECKS, KeptFinding
from app.business.writer.services.article_files import FILE_KINDS, FileKind, as_archive
from app.business.writer.services.article_html import clean_html, mark_quotes
from app.business.writer.services.article_scores import check_again
from app.business.writer.services.content_shares import MadeShare, shares_of
from app.business.writer.services.content_versions import version_of, was_edited
from app.business.writer.services.publications import changed_since
from app.business.writer.services.record_lists import CONTENTS
from app.business.writer.services.writing_facts import writing_facts
from app.infrastructure.database import db
from app.modules.access import allow, current_person, own_path, owned_or_404
from app.modules.article_notes import tell_writer, with_note
from app.modules.gate.numbers import row_id
from app.modules.list_columns import chosen_columns
from app.modules.record_editing import Editing, edit_page
from app.modules.record_forms import SHARED_LAYOUT
from app.modules.record_pages import read_list, trail_of
from app.modules.web import framing, page_or_partial, see_other
from app.modules.writer.article_answers import ARTICLE_POLICY, article_file
from app.modules.writer.forms import ContentFilterForm, ContentForm
from app.modules.writer.list_columns import CONTENT_COLUMNS

MOST_AT_ONCE = 200
"""Articles in one archive: it is made while somebody waits."""
SAID = {
    ContentStatus.APPROVED: "Approved. It may be published now.",
    ContentStatus.REVIEW: "Passed on for review.",
    ContentStatus.DRAFT: "Sent back: it is to be checked again.",
}
ANSWERS = {"approve": ContentStatus.APPROVED, "send_back": ContentStatus.DRAFT}
APPROVAL_SAID = {"approve": "Approved.", "send_back": "Sent back with your comment."}

EDITING = Editing(
    noun="article",
    model=Content,
    form=ContentForm,
    layout=(
        ("title",),
        ("html",),
        ("meta_title", "main_keyword"),
        ("meta_description",),
        *SHARED_LAYOUT,
    ),
    path=lambda _row: [("Content", url_for("writer.contents"))],
    name=lambda row: row.title,
    page=lambda row: url_for("writer.content", id=row.id),
    here=lambda row: url_for("writer.edit_content", id=row.id),
    save=lambda row, changes, seen, now: content_edit.update_content(
        db.session(), row, changes, seen=seen, origin=current_person().origin, now=now
    ),
    scripts=(
        "vendor/dompurify@3.5.0/purify.min.js",
        "vendor/squire-rte@2.4.8/squire.js",
        "js/article_editor.js",
    ),
    beside="partials/writer/beside_article.html",
    facts=lambda row: writing_facts(db.session(), row),
)


@allow(Role.VIEWER)
def index() -> str:
    form = ContentFilterForm()
    listed = read_list(CONTENTS, form, "article", export="writer_api.export_content")
    published = [row.id for row in listed.rows if row.status == ContentStatus.PUBLISHED]
    account_id = current_person().account.id
    return page_or_partial(
        "pages/writer/contents.html",
        "partials/writer/contents_table.html",
        form=form,
        list=listed,
        columns=chosen_columns(CONTENT_COLUMNS),
        changed=changed_since(db.session(), published, account_id) if published else set(),
        file_kinds=FILE_KINDS.values(),
    )


@allow(Role.VIEWER)
def show(id: int) -> Response:
    """An article with its preview and the actions on it."""
    return content_page(owned_or_404(Content, id))


def content_page(
    content: Content, entered: Mapping[str, str] | None = None, faults: Mapping[str, list[str]] | None = None
) -> Response:
    """`entered`, `faults`: what was typed about publishing it, and what is wrong with that, by field."""
    page = render_template(
        "pages/writer/content.html",
        content=content,
        trail=trail_of(content),
        publishing=publishing_state(db.session(), content),
        wordpress=wordpress_connections.find(db.session(), content.account_id, content.site_id),
        file_kinds=FILE_KINDS.values(),
        check_names={name: label for name, (label, _check) in CHECKS.items()},
        shares=_shares(content),
        edited=content.outline and was_edited(db.session(), content),
        entered=entered or {},
        faults=faults or {},
    )
    return framing(page)


def _shares(content: Content) -> Sequence[MadeShare]:
    """Its open links, for those who may make and end them."""
    if not current_person().can(Role.OPERATOR):
        return []
    return shares_of(db.session(), content, datetime.now(UTC))


@allow(Role.VIEWER)
def article(id: int) -> Response:
    """The article alone, as it is now or in the version that the address names, for the sandboxed frame of a page.

    The one place where stored HTML is not escaped: it passes the allow-list again, and the policy of this
    answer lets nothing run, load or be sent.
    """
    content = owned_or_404(Content, id)
    if number := row_id(request.args.get("version")):
        saved = version_of(db.session(), content, number).version
        title, trusted = saved.title, Markup(clean_html(saved.html))  # noqa: S704
    else:
        marked = mark_quotes(clean_html(content.html), to_check(content))
        title, trusted = content.title, Markup(marked)  # noqa: S704
    response = make_response(
        render_template("pages/writer/article.html", content=content, title=title, article=trusted)
    )
    response.headers["Content-Security-Policy"] = ARTICLE_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@allow(Role.OPERATOR)
def edit(id: int) -> ResponseReturnValue:
    return edit_page(EDITING, id)


@allow(Role.OPERATOR)
def decide(id: int) -> ResponseReturnValue:
    """Approve it, submit it for review, or send it back with a note."""
    content, person, now = owned_or_404(Content, id), current_person(), datetime.now(UTC)
    status, note = request.form.get("status", ""), request.form.get("note", "").strip()
    if status not in SAID:
        raise Invalid({"status": ["Choose whether to approve the article or to send it back."]})
    changes = {"status": status, **with_note(content, note, now)}
    content_edit.update_content(db.session(), content, changes, origin=person.origin, now=now)
    tell_writer(content, status, note, now)
    db.session.commit()
    is_plan = content.outline and status == ContentStatus.APPROVED
    flash(
        content_edit.BRIEF_APPROVED if is_plan else SAID[ContentStatus(status)],
        "info" if is_plan else "success",
    )
    return see_other(url_for("writer.content", id=id))


@allow(Role.VIEWER)
def give_approval(id: int) -> ResponseReturnValue:
    """A client approves an article, or sends it back with a comment."""
    content, person, now = owned_or_404(Content, id), current_person(), datetime.now(UTC)
    answer, note = request.form.get("answer", ""), request.form.get("note", "").strip()
    if not person.may_approve:
        raise Forbidden("You look at articles and decide on none. Ask an owner of the account to let you.")
    if answer not in ANSWERS:
        raise Invalid({"answer": ["Choose whether to approve the article or to send it back."]})
    if answer == "send_back" and not note:
        raise Invalid({"note": ["Say what should change, so that whoever writes it knows."]})
    status = ANSWERS[answer] if ANSWERS[answer] != content.status else None
    changes = {**({"status": status} if status else {}), **with_note(content, note, now)}
    try:
        content_edit.update_content(db.session(), content, changes, origin=person.origin, now=now)
    except Conflict as refusal:
        db.session.rollback()
        flash(refusal.message, "warning")
        return see_other(own_path(request.form.get("back")))
    tell_writer(content, ANSWERS[answer], note, now)
    db.session.commit()
    flash(APPROVAL_SAID[answer], "success")
    return see_other(own_path(request.form.get("back")))


@allow(Role.OPERATOR)
def written_out(id: int) -> ResponseReturnValue:
    """Somebody has completed the brief: from now on it is an article, and may be published once approved."""
    content, person = owned_or_404(Content, id), current_person()
    content_edit.write_out(db.session(), content, origin=person.origin, now=datetime.now(UTC))
    db.session.commit()
    flash("It is an article now. Approve it to have it published.", "success")
    return see_other(url_for("writer.content", id=id))


@allow(Role.OPERATOR)
def check(id: int) -> ResponseReturnValue:
    """Check the article against the site's profile and pages as they are now."""
    content = owned_or_404(Content, id)
    check_again(db.session(), content, datetime.now(UTC))
    db.session.commit()
    flash("Checked again.", "success")
    return see_other(url_for("writer.content", id=id))


def download(kind: FileKind) -> Callable[[int], Response]:
    """The view that answers an article as a file of this kind."""

    @allow(Role.VIEWER)
    def view(id: int) -> Response:
        content = owned_or_404(Content, id)
        return article_file(kind.write(content), kind.name(content), kind.mimetype)

    return view


@allow(Role.VIEWER)
def download_many() -> ResponseReturnValue:
    """The chosen articles in one archive; those of others are not there."""
    kind, texts = FILE_KINDS.get(request.args.get("kind", "docx")), request.args.getlist("ids")
    if kind is None:
        raise NotFound("Articles are downloaded as docx, md or html.")
    if len(texts) > MOST_AT_ONCE:
        raise Invalid({"ids": [f"Choose at most {MOST_AT_ONCE} articles."]})
    ids = [id for text in texts if (id := row_id(text))]
    query = select(Content).where(current_person().scope.sees(Content), Content.id.in_(ids))
    contents = db.session.scalars(query.order_by(Content.id)).all()
    if not contents:
        flash("Tick at least one article first.", "info")
        return see_other(url_for("writer.contents"))
    return article_file(as_archive(contents, kind), f"articles-{kind.ending}.zip", "application/zip")


def to_check(content: Content) -> list[str]:
    """Sentences that a person must check: figures and quotes that nobody gave, sentences of other pages."""
    return [
        quote
        for found in map(KeptFinding.model_validate, content.checks)
        if found.check in ("claims", "copied")
        for quote in found.quotes
    ]
