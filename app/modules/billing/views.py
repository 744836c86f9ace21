"""The credits page: what there is, where it went, and every movement."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flask import current_app, render_template, request, url_for
from sqlalchemy import bindparam, select

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.forecast.outlook import Outlook
from app.business.base import Id
from app.business.billing.models import CreditEntry
from app.business.billing.services import ledger
from app.business.billing.services.credit_service import CreditService
from app.business.billing.services.plans import terms_of
from app.business.outlets.services import ai_spending
from app.business.periods import this_month
from app.business.plain_rows import plain_rows
from app.business.sql_functions import is_among
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.billing import outlook_page
from app.modules.record_pages import file_addresses
from app.modules.web import htmx, page_or_partial

PAGE_SIZE = 50
LATEST = 15
"""Entries below everything else on the first page; the older ones have pages of their own."""
MOST_RULES = 10
CHART = [("used", "Credits used", "accent")]


@allow(Role.VIEWER, whole_account=True)
def credits() -> str:
    """The credits page: balance, plan, outlook, this month by days and rules, and the ledger."""
    account, session, now = current_person().account, db.session(), datetime.now(UTC)
    if htmx().is_partial and htmx().target_id == "forecast":
        outlook = outlook_page.outlook_of(now)
        return render_template("partials/billing/forecast.html", **outlook_page.context(outlook))
    cursor = request.args.get("cursor")
    if cursor:
        page = ledger.entries(session, account.id, cursor=cursor, limit=PAGE_SIZE)
        return page_or_partial(
            "pages/billing/entries.html",
            "partials/billing/entries_table.html",
            **_listed(page.rows, page.next_cursor),
        )
    newest = ledger.newest(session, account.id, LATEST)
    plan, outlook = terms_of(session, account), outlook_page.outlook_of(now)
    return render_template(
        "pages/billing/credits.html",
        balance=CreditService().balance_of(session, account.id),
        plan=plan,
        next_grant_on=ledger.next_grant_on(account.timezone, now),
        month=ledger.month_so_far(session, account.id, account.timezone, now),
        series=CHART,
        rules=_rules(outlook, now),
        ai=ai_spending.this_month(session, account, now),
        **outlook_page.context(outlook),
        **_listed(newest.rows, newest.next_cursor),
    )


def _listed(rows: Sequence[CreditEntry], next_cursor: str | None) -> Mapping[str, object]:
    next_url = url_for("billing.credits", cursor=next_cursor) if next_cursor else None
    return {
        "entries": rows,
        "next_url": next_url,
        "run_page": _address("automation.run"),
        "files": file_addresses("billing_api.export_ledger", {}),
    }


def _rules(outlook: Outlook, now: datetime) -> list[tuple[str, str | None, int]]:
    """Name, address and credits of the rules that used most this month."""
    account = current_person().account
    month = this_month(account.timezone, now)
    used = [*outlook.spending.by_rule(month.dates[0]).items()][:MOST_RULES]
    names = {entry.rule.id: entry.rule.name for entry in outlook.rules}
    if others := [rule_id for rule_id, _ in used if rule_id not in names]:
        wanted = {"account_id": account.id, "rule_ids": others}
        names |= {row.id: row.name for row in plain_rows(db.session(), _NAMES, wanted)}
    page = _address("automation.rule")
    return [
        (names[id], url_for(page, id=id) if page else None, spent)
        for id, (spent, _) in used
        if id in names and spent > 0
    ]


_NAMES = select(AutomationRule.id, AutomationRule.name).where(
    AutomationRule.account_id == bindparam("account_id", type_=Id),
    is_among(AutomationRule.id, "rule_ids"),
)


def _address(endpoint: str) -> str | None:
    return endpoint if endpoint in current_app.view_functions else None
