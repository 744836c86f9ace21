"""Help: every term of the console, a page for each section of them, and a search over all."""

from flask import render_template, request

from app.business.accounts.models import Role
from app.business.errors import NotFound
from app.modules.access import allow
from app.modules.automation.help.entry import matching
from app.modules.automation.help.sections import sections
from app.modules.web import page_or_partial

LONGEST = 100


@allow(Role.VIEWER)
def index() -> str:
    """The sections to choose from, or the entries with all the words that are searched."""
    text = request.args.get("q", "").strip()[:LONGEST]
    return page_or_partial(
        "pages/automation/help.html",
        "partials/automation/help_entries.html",
        text=text,
        sections=sections(),
        found=matching(sections(), text) if text else [],
    )


@allow(Role.VIEWER)
def show(section: str) -> str:
    """One section, with the way to those before and after it."""
    known = sections()
    at = next((number for number, one in enumerate(known) if one.key == section), None)
    if at is None:
        raise NotFound()
    return render_template(
        "pages/automation/help_section.html",
        section=known[at],
        sections=known,
        before=known[at - 1] if at else None,
        after=known[at + 1] if at + 1 < len(known) else None,
    )
