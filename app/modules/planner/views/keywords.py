"""Keywords: the list, one by one, ignoring many."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.planner.models import Keyword, KeywordStatus
from app.business.planner.services import keyword_service
from app.business.planner.services.record_changes import KEYWORD
from app.business.planner.services.record_lists import KEYWORDS
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.list_columns import chosen_columns
from app.modules.planner.forms import KeywordFilterForm, KeywordForm, NewKeywordForm
from app.modules.planner.list_columns import KEYWORD_COLUMNS
from app.modules.record_decisions import Decision, decide_page
from app.modules.record_editing import Editing, edit_page, form_page
from app.modules.record_forms import SHARED_LAYOUT, place_choices, site_first
from app.modules.record_pages import read_list, trail_of
from app.modules.web import page_or_partial, see_other

DECISION = Decision(
    kind=KEYWORD,
    list="planner.keywords",
    rows=KEYWORDS,
    filters=KeywordFilterForm,
    choose="Choose whether to ignore the keywords or to use them again.",
    asked={
        KeywordStatus.IGNORED: ("Ignore", "Rules leave them alone: nothing is made of them any more."),
        KeywordStatus.NEW: (
            "Use again",
            "They are new again: in no cluster, and rules may work on them, which can cost credits.",
        ),
    },
    said={KeywordStatus.IGNORED: "ignored: rules leave them alone", KeywordStatus.NEW: "new again"},
    reports_unmoved=False,
)

EDITING = Editing(
    noun="keyword",
    model=Keyword,
    form=KeywordForm,
    layout=(
        ("text", "place"),
        ("volume", "difficulty", "cpc"),
        ("intent", "country", "language"),
        ("position", "clicks", "impressions"),
        ("url", "parent_keyword", "traffic_potential"),
        *SHARED_LAYOUT,
    ),
    path=lambda _row: [("Keywords", url_for("planner.keywords"))],
    name=lambda row: row.text,
    page=lambda row: url_for("planner.keyword", id=row.id),
    here=lambda row: url_for("planner.edit_keyword", id=row.id),
    save=lambda row, changes, seen, now: keyword_service.update_keyword(
        db.session(), row, changes, seen=seen, origin=current_person().origin, now=now
    ),
)


@allow(Role.VIEWER)
def index() -> str:
    form = KeywordFilterForm()
    return page_or_partial(
        "pages/planner/keywords.html",
        "partials/planner/keywords_table.html",
        form=form,
        list=read_list(KEYWORDS, form, "keyword", export="planner_api.export_keywords"),
        columns=chosen_columns(KEYWORD_COLUMNS),
    )


@allow(Role.OPERATOR)
def add() -> ResponseReturnValue:
    if not place_choices():
        return site_first()
    form, now = NewKeywordForm(), datetime.now(UTC)
    if form.validate_on_submit() and form.taken(lambda: _add(form, now)):
        db.session.commit()
        flash(f"The keyword “{form.text.data}” is here.", "success")
        return see_other(url_for("planner.keywords"))
    return form_page(EDITING, form, url_for("planner.new_keyword"))


@allow(Role.VIEWER)
def show(id: int) -> str:
    keyword = owned_or_404(Keyword, id)
    return render_template("pages/planner/keyword.html", keyword=keyword, trail=trail_of(keyword))


@allow(Role.OPERATOR)
def edit(id: int) -> ResponseReturnValue:
    return edit_page(EDITING, id)


@allow(Role.OPERATOR)
def decide() -> ResponseReturnValue:
    """Ignore the ticked keywords, or restore them."""
    return decide_page(DECISION)


def _add(form: NewKeywordForm, now: datetime) -> None:
    fields = form.values("place") | {"text": form.text.data or ""}
    keyword_service.add_keyword(
        db.session(), form.place.sector(now), fields, origin=current_person().origin, now=now
    )
