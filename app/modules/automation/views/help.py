"""Help: every term of the console, searchable, with an address for each."""

from flask import request

from app.business.accounts.models import Role
from app.modules.access import allow
from app.modules.automation.help.entry import matching
from app.modules.automation.help.sections import sections
from app.modules.web import page_or_partial

LONGEST = 100


@allow(Role.VIEWER)
def show() -> str:
    text = request.args.get("q", "").strip()[:LONGEST]
    found = matching(sections(), text)
    return page_or_partial(
        "pages/automation/help.html", "partials/automation/help_entries.html", text=text, found=found
    )
