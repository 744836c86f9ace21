"""Export and import of rules in the browser: choose a file, check the preview, confirm.

Between the steps the file is stored under a random name; the sites chosen for unknown names are part of the address.
"""

from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField
from wtforms import TextAreaField

from app.business.accounts.models import Role
from app.business.accounts.services import uploads
from app.business.automation.models import AutomationRule
from app.business.automation.services.rule_parts import Json
from app.business.automation.services.transfer.exporting import export_rules, rules_of_filter
from app.business.automation.services.transfer.importing import FileImport, apply_import, preview_import
from app.business.automation.services.transfer.yaml_format import MOST_BYTES, read_rules
from app.business.errors import Invalid, NotFound, Refusal, TooLarge
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.api.transfer import yaml_file
from app.modules.automation.diff.import_preview import import_preview
from app.modules.automation.filters import RulesFilter
from app.modules.automation.rule_form.choices import load_sites
from app.modules.display import plural
from app.modules.gate.numbers import row_id
from app.modules.quotas import EXPORTS, IMPORTS, limited
from app.modules.record_forms import ServiceForm
from app.modules.run_actor import actor
from app.modules.web import see_other

NOT_TEXT = "This file is not UTF-8 text. Save it as UTF-8 and choose it again."
NOTHING_CHOSEN = "Choose a file, or paste its text below."


class RuleImportForm(ServiceForm):
    file = FileField("File", description="A .yaml file that was exported here, at most 256 kB.")
    text = TextAreaField("Or paste its text")


@allow(Role.EDITOR)
@limited(EXPORTS)
def export_one(id: int) -> ResponseReturnValue:
    """One rule as a file."""
    rule = owned_or_404(AutomationRule, id)
    return yaml_file(export_rules(db.session(), current_person().scope, [rule]), f"rule-{rule.id}")


@allow(Role.EDITOR)
@limited(EXPORTS)
def export_all() -> ResponseReturnValue:
    """The rules that match the list's filter as a file."""
    session, scope = db.session(), current_person().scope
    chosen = RulesFilter(load_sites(session, scope)).chosen_rules()
    return yaml_file(export_rules(session, scope, rules_of_filter(session, scope, chosen)))


@allow(Role.EDITOR)
@limited(IMPORTS, methods=["POST"])
def choose() -> ResponseReturnValue:
    """Choose the file or paste its text; nothing is imported yet."""
    form = RuleImportForm()
    if request.method == "POST" and form.validate():
        try:
            text = _typed(form)
            read_rules(text)
        except Refusal as refusal:
            form.refuse({"text" if form.text.data else "file": [refusal.message]})
            return render_template("pages/automation/import_rules.html", form=form), refusal.status
        name = uploads.keep(db.session(), _owner(), uploads.pack(text.encode()), datetime.now(UTC))
        db.session.commit()
        return see_other(url_for(".look_at_import", name=name))
    return render_template("pages/automation/import_rules.html", form=form), 422 if form.errors else 200


@allow(Role.EDITOR, writes=True)
def look(name: str) -> ResponseReturnValue:
    """Preview of the import. Writes nothing: the import is rolled back."""
    try:
        rules = _waiting(name)
    except NotFound:
        return render_template("pages/automation/import_rules.html", form=RuleImportForm(), gone=True), 404
    account = current_person().account
    found = preview_import(db.session(), account, rules, actor(), datetime.now(UTC), _sites())
    page = _page(name, found)
    db.session.rollback()
    return page


@allow(Role.EDITOR)
def take(name: str) -> ResponseReturnValue:
    """Import all valid rules, if the result is still the one that was shown."""
    session, account, now = db.session(), current_person().account, datetime.now(UTC)
    found = apply_import(session, account, _waiting(name), actor(), now, _sites())
    if found.fingerprint != request.form.get("seen"):
        session.rollback()
        flash("Something changed since you looked. Look again: nothing has been imported yet.", "warning")
        return see_other(url_for(".look_at_import", name=name, **_address()))
    uploads.take(session, _owner(), name)
    session.commit()
    taken = found.count("new") + found.count("changed")
    flash(
        f"{plural(taken, 'rule')} imported, switched off. Look through them, then switch them on.", "success"
    )
    return see_other(url_for(".rules", state="off"))


def _page(name: str, found: FileImport) -> str:
    address = _address()
    return render_template(
        "pages/automation/import_look.html",
        name=name,
        found=found,
        rules=import_preview(found),
        address=address,
        sites=load_sites(db.session(), current_person().scope),
        asked=list(dict.fromkeys([*address.get("unknown", []), *found.unknown_sites])),
        chosen=dict(zip(address.get("unknown", []), address.get("take", []), strict=False)),
    )


def _address() -> dict[str, Any]:
    """The sites chosen for unknown names, as pairs of query parameters."""
    return {key: request.args.getlist(key) for key in ("unknown", "take") if key in request.args}


def _sites() -> dict[str, int]:
    pairs = zip(request.args.getlist("unknown"), request.args.getlist("take"), strict=False)
    return {name: id for name, text in pairs if (id := row_id(text))}


def _typed(form: RuleImportForm) -> str:
    if form.text.data:
        return str(form.text.data)
    sent = request.files.get("file")
    data = sent.stream.read(MOST_BYTES + 1) if sent else b""
    if not data:
        raise Invalid({"file": [NOTHING_CHOSEN]})
    if len(data) > MOST_BYTES:
        raise TooLarge(f"The file is larger than {MOST_BYTES // 1024} kB. Import it in parts.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid({"file": [NOT_TEXT]}) from None


def _waiting(name: str) -> list[Json]:
    packed = uploads.fetch(db.session(), _owner(), name, datetime.now(UTC))
    return read_rules(uploads.unpack(packed).decode())


def _owner() -> uploads.Uploader:
    person = current_person()
    return uploads.Uploader(person.account.id, person.user.id, "rules")
