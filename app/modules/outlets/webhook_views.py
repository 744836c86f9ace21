"""The pages of webhooks, for owners."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import Conflict, Invalid
from app.business.outlets.outgoing_models import OutgoingStatus
from app.business.outlets.services import deliveries, webhooks
from app.business.outlets.services.outgoing import SendAttempt
from app.business.outlets.services.webhook_messages import ACTION_EVENT, TEST_EVENT
from app.business.outlets.services.webhooks import EVENTS
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.records import row_to_change
from app.modules.outlets import webhook_setup
from app.modules.outlets.webhook_forms import WebhookForm
from app.modules.quotas import WEBHOOK_TESTS, limited
from app.modules.web import see_other

PAGE_SIZE = 30
OTHER_EVENTS = {ACTION_EVENT: "Sent by a rule", TEST_EVENT: "Test"}
EVENT_WORDS = {**EVENTS, **OTHER_EVENTS}


@allow(Role.OWNER, whole_account=True)
def show_all() -> str:
    account_id = current_person().account.id
    return render_template(
        "pages/outlets/webhooks.html",
        webhooks=webhooks.webhooks_of(db.session(), account_id),
        waiting=deliveries.waiting_by_webhook(db.session(), account_id),
    )


@allow(Role.OWNER, whole_account=True)
def new() -> str:
    return _form_page(WebhookForm(formdata=None))


@allow(Role.OWNER, whole_account=True)
def add() -> ResponseReturnValue:
    """Create a webhook; its secret is shown only on this page."""
    form = WebhookForm()
    if not form.validate():
        return _form_page(form), 422
    try:
        row, secret = webhook_setup.add(form.values)
    except Invalid as refusal:
        return _refused(form, refusal), 422
    except Conflict as refusal:
        flash(refusal.message, "warning")
        return see_other(url_for("outlets.webhooks"))
    page = _secret_page(row, secret, is_new=True)
    db.session.commit()
    return page, 201


@allow(Role.OWNER, whole_account=True)
def show(id: int) -> str:
    row = owned_or_404(Webhook, id)
    cursor = request.args.get("cursor")
    page = deliveries.page_of_deliveries(
        db.session(),
        row.account_id,
        webhook_id=row.id,
        statuses=_statuses(),
        cursor=cursor,
        limit=PAGE_SIZE,
    )
    first = url_for("outlets.webhook", id=row.id, status=_statuses())
    following = url_for("outlets.webhook", id=row.id, status=_statuses(), cursor=page.next_cursor)
    return render_template(
        "pages/outlets/webhook.html",
        row=row,
        events=_sentence(row),
        deliveries=page.rows,
        event_words=EVENT_WORDS,
        next_url=following if page.next_cursor else None,
        first_url=first if cursor else None,
        statuses=_statuses(),
        fault_of=lambda delivery: (
            SendAttempt.model_validate(delivery.log[-1]).message if delivery.log else ""
        ),
        now=datetime.now(UTC),
    )


@allow(Role.OWNER, whole_account=True)
def edit(id: int) -> str:
    row, form = owned_or_404(Webhook, id), WebhookForm(formdata=None)
    form.fill(row)
    return _form_page(form, row)


@allow(Role.OWNER, whole_account=True)
def save(id: int) -> ResponseReturnValue:
    """Change a webhook."""
    row, form = row_to_change(Webhook, id), WebhookForm()
    if not form.validate():
        return _form_page(form, row), 422
    try:
        webhook_setup.change(row, form.values)
    except Invalid as refusal:
        return _refused(form, refusal, id), 422
    db.session.commit()
    flash("Saved.", "success")
    return see_other(url_for("outlets.webhook", id=row.id))


@allow(Role.OWNER, whole_account=True)
@limited(WEBHOOK_TESTS)
def test(id: int) -> ResponseReturnValue:
    """Post a test message and show the result."""
    row = owned_or_404(Webhook, id)
    _, answer = webhook_setup.test(row)
    said = webhook_setup.sentence_of(answer)
    flash(said if answer.is_accepted else f"The test failed. {said}", _tone(answer.is_accepted))
    return see_other(url_for("outlets.webhook", id=id))


@allow(Role.OWNER, whole_account=True)
def switch(id: int) -> ResponseReturnValue:
    """Switch it on or off."""
    row = row_to_change(Webhook, id)
    on = request.form.get("on") == "1"
    webhook_setup.change(row, replace(webhook_setup.values_of(row), is_active=on))
    db.session.commit()
    flash(
        f"“{row.name}” is switched on." if on else f"“{row.name}” is switched off: nothing is sent to it.",
        "success",
    )
    return see_other(url_for("outlets.webhook", id=row.id))


@allow(Role.OWNER, whole_account=True)
def rotate(id: int) -> ResponseReturnValue:
    """Make a new secret, and show it once."""
    row = row_to_change(Webhook, id)
    page = _secret_page(row, webhook_setup.rotate(row), is_new=False)
    db.session.commit()
    return page


@allow(Role.OWNER, whole_account=True)
def remove(id: int) -> ResponseReturnValue:
    """Delete it with its messages."""
    row = row_to_change(Webhook, id)
    name = row.name
    webhooks.remove(db.session(), row, current_person().actor, datetime.now(UTC))
    db.session.commit()
    flash(f"The webhook “{name}” is deleted.", "success")
    return see_other(url_for("outlets.webhooks"))


@allow(Role.OWNER, whole_account=True)
def show_delivery(id: int) -> str:
    row = owned_or_404(WebhookDelivery, id)
    return render_template(
        "pages/outlets/delivery.html",
        row=row,
        body=json.dumps(json.loads(row.body), ensure_ascii=False, indent=2),
        webhook=owned_or_404(Webhook, row.webhook_id),
        attempts=[SendAttempt.model_validate(attempt) for attempt in reversed(row.log)],
        event_words=EVENT_WORDS,
        is_test=row.event == TEST_EVENT,
    )


@allow(Role.OWNER, whole_account=True)
def resend(id: int) -> ResponseReturnValue:
    """Send a message again."""
    row = owned_or_404(WebhookDelivery, id)
    deliveries.resend(db.session(), row, datetime.now(UTC))
    db.session.commit()
    flash("It is being sent again.", "success")
    return see_other(url_for("outlets.delivery", id=id))


def _form_page(form: WebhookForm, row: Webhook | None = None) -> str:
    return render_template("pages/outlets/webhook_form.html", form=form, row=row)


def _refused(form: WebhookForm, refusal: Invalid, id: int | None = None) -> str:
    db.session.rollback()
    for name, sentences in refusal.errors.items():
        form[name].errors = [*form[name].errors, *sentences]
    return _form_page(form, owned_or_404(Webhook, id) if id else None)


def _secret_page(row: Webhook, secret: str, *, is_new: bool) -> str:
    return render_template("pages/outlets/webhook_secret.html", row=row, secret=secret, is_new=is_new)


def _sentence(row: Webhook) -> str:
    """Its events as a sentence: `A run failed, credits are low`."""
    events = ", ".join(EVENTS[event][0].lower() + EVENTS[event][1:] for event in row.events)
    return events[:1].upper() + events[1:]


def _statuses() -> list[OutgoingStatus]:
    return [status for status in OutgoingStatus if status in request.args.getlist("status")]


def _tone(is_good: bool) -> str:
    return "success" if is_good else "danger"
