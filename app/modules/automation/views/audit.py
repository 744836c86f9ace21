"""Who changed what: the audit log for owners, with filters and files."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import render_template, request, url_for
from sqlalchemy import select
from wtforms import DateField, SelectField
from wtforms.validators import Optional

from app.business.accounts.models import Role, User
from app.business.accounts.services.audit_list import AuditFilter, audit_entries
from app.infrastructure.database import db
from app.infrastructure.table_files import TYPES
from app.modules.access import allow, current_person
from app.modules.automation.audit_lines import COMMAND, MODELS, PAGES, audit_lines
from app.modules.automation.labels.audit import KINDS
from app.modules.automation.rule_form.base import offered, optional
from app.modules.display import viewer_zone
from app.modules.forms import FilterForm
from app.modules.gate.numbers import row_id

SHOWN = 50
NOBODY = "nobody"


class AuditFilterForm(FilterForm):
    who = SelectField("Who", choices=[])
    kind = SelectField(
        "What", choices=offered(optional([(key, words) for key, (words, _) in KINDS.items()], "Everything"))
    )
    start = DateField("From", [Optional()])
    end = DateField("To", [Optional()])

    def __init__(self) -> None:
        super().__init__()
        query = select(User.id, User.name, User.email).where(User.account_id == current_person().account.id)
        people = db.session.execute(query.order_by(User.name_folded, User.email))
        named = [(str(key), name or email) for key, name, email in people]
        self.who.choices = offered(optional([*named, (NOBODY, COMMAND)], "Anybody"))

    def asked(self) -> AuditFilter:
        """The filter for the service; days are those of the viewer's zone, both included."""
        chosen = self.chosen()
        who = chosen.get("who")
        subject_type, subject_id = record_asked()
        return AuditFilter(
            subject_types=[subject_type]
            if subject_type
            else KINDS[chosen["kind"]][1]
            if "kind" in chosen
            else (),
            subject_id=subject_id,
            user_id=int(who) if who and who != NOBODY else None,
            by_nobody=who == NOBODY,
            after=_midnight(chosen["start"]) if "start" in chosen else None,
            before=_midnight(chosen["end"] + timedelta(days=1)) if "end" in chosen else None,
        )


def record_asked() -> tuple[str, int | None]:
    """The one row whose history is asked for, `automation_rule:7`."""
    kind, _, number = request.args.get("record", "").partition(":")
    known = kind in MODELS or kind in PAGES or any(kind in tables for _, tables in KINDS.values())
    found = row_id(number) if known else None
    return (kind, found) if found else ("", None)


@allow(Role.OWNER, whole_account=True)
def show() -> str:
    form, cursor = AuditFilterForm(), request.args.get("cursor")
    asked = form.asked()
    page = audit_entries(db.session(), current_person().account.id, asked, cursor=cursor, limit=SHOWN)
    names = ("who", "kind", "start", "end", "record")
    kept: dict[str, Any] = {name: request.args[name] for name in names if request.args.get(name)}
    return render_template(
        "pages/automation/audit.html",
        form=form,
        lines=audit_lines(page.rows),
        record=kept.get("record") if asked.subject_id else None,
        clear_url=url_for(".audit") if kept else None,
        kept=kept,
        next_url=url_for(".audit", cursor=page.next_cursor, **kept) if page.next_cursor else None,
        first_url=url_for(".audit", **kept) if cursor else None,
        files={kind: url_for("accounts_api.export_audit", format=kind, **_of_api(asked)) for kind in TYPES},
    )


def _of_api(asked: AuditFilter) -> dict[str, Any]:
    """The same filter in the words of the API."""
    named = {
        "subject_type": list(asked.subject_types),
        "subject_id": asked.subject_id,
        "user": asked.user_id,
        "by_nobody": "true" if asked.by_nobody else None,
        "created_after": asked.after and asked.after.isoformat(),
        "created_before": asked.before and asked.before.isoformat(),
    }
    return {name: value for name, value in named.items() if value}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), viewer_zone()).astimezone(UTC)
