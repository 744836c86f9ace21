"""The page of the address that takes messages from other systems, for owners."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.history.arrived_messages import arrived_messages
from app.business.outlets.incoming_models import IncomingAddress
from app.business.outlets.services import incoming
from app.infrastructure.database import db
from app.infrastructure.secret_box import SecretBox
from app.modules.access import allow, current_person
from app.modules.outlets.connection import settings
from app.modules.web import see_other


@allow(Role.OWNER, whole_account=True)
def show() -> str:
    return _page(incoming.address_of(db.session(), current_person().account.id))


@allow(Role.OWNER, whole_account=True)
def renew() -> ResponseReturnValue:
    """Make an address with a secret, which is shown only on this page; the one before ends."""
    person, seal = current_person(), SecretBox.of(settings()).seal
    row, secret = incoming.renew(
        db.session(), person.account.id, person.actor, seal=seal, now=datetime.now(UTC)
    )
    page = _page(row, secret)
    db.session.commit()
    return page, 201


@allow(Role.OWNER, whole_account=True)
def end() -> ResponseReturnValue:
    """End the address."""
    person = current_person()
    incoming.end(db.session(), person.account.id, person.actor, datetime.now(UTC))
    db.session.commit()
    flash("The address has ended: messages to it are refused.", "success")
    return see_other(url_for("outlets.incoming"))


def _page(row: IncomingAddress | None, secret: str | None = None) -> str:
    path = url_for("incoming_api.receive_message", token=row.name) if row else ""
    address = f"{settings().site_url}{path}"
    arrived = arrived_messages(db.session(), current_person().account.id)
    return render_template(
        "pages/outlets/incoming.html", row=row, address=address, secret=secret, arrived=arrived
    )
