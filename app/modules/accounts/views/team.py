"""The people of the account, for owners."""

from collections.abc import Mapping
from datetime import UTC, datetime

from flask import current_app, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role, User
from app.business.accounts.services import audit_log, passkeys, second_factor, sign_in, team, welcome
from app.business.billing.services.plans import plan_of
from app.business.errors import Conflict, Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.accounts.forms import MAY, ROLES, NewPersonForm, SitesForm
from app.modules.accounts.link_mail import mail_link
from app.modules.accounts.site_choices import site_choices
from app.modules.display import plural
from app.modules.web import see_other
from app.settings import Settings


@allow(Role.OWNER)
def show() -> ResponseReturnValue:
    """The account's people, and the form to add one."""
    return _page(NewPersonForm())


@allow(Role.OWNER, whole_account=True)
def add() -> ResponseReturnValue:
    """Add a person; their one-use link is shown once, to be passed on."""
    form, session, now = NewPersonForm().offer(site_choices()), db.session(), datetime.now(UTC)
    if not (form.validate() and form.fits(form.role.data)):
        return _page(form), 422
    try:
        user = team.add_user(
            session,
            current_person().account,
            email=form.email.data,
            name=form.name.data or "",
            role=Role(form.role.data),
            now=now,
            most=_most(),
        )
    except Invalid as refusal:
        db.session.rollback()
        form.email.errors = refusal.errors["email"]
        return _page(form), 422
    team.limit_to_sites(session, user, form.chosen, may_approve=form.may_approve.data, now=now)
    return _with_link(user, "user.added", now, {"role": user.role, **_seen_by(user)})


@allow(Role.OWNER)
def new_link(id: int) -> ResponseReturnValue:
    """Another one-use link, for somebody who cannot sign in."""
    return _with_link(owned_or_404(User, id), "user.link_made", datetime.now(UTC))


@allow(Role.OWNER)
def ask_role(id: int) -> ResponseReturnValue:
    """Show what another role means, before it is given."""
    user, role = owned_or_404(User, id), _role(request.args.get("role", ""))
    return render_template("pages/accounts/role.html", user=user, role=role, may=MAY[role])


@allow(Role.OWNER)
def change_role(id: int) -> ResponseReturnValue:
    user, role, now = owned_or_404(User, id), _role(request.form.get("role", "")), datetime.now(UTC)
    before = user.role
    team.change_role(db.session(), user, role, now)
    _note("user.role_changed", user, now, {"from": before, "to": role})
    return _done(f"{user.email} is now {role}, and has to sign in again.")


@allow(Role.OWNER)
def ask_sites(id: int) -> ResponseReturnValue:
    """Which sites a person sees, with what that means."""
    user = owned_or_404(User, id)
    data = {"sees": "all" if user.site_ids is None else "some", "site_ids": user.site_ids or []}
    form = SitesForm(formdata=None, data=data | {"may_approve": user.may_approve}).offer(site_choices())
    return render_template("pages/accounts/person_sites.html", form=form, user=user)


@allow(Role.OWNER, whole_account=True)
def save_sites(id: int) -> ResponseReturnValue:
    user, now, form = owned_or_404(User, id), datetime.now(UTC), SitesForm().offer(site_choices())
    if not (form.validate() and form.fits(user.role)):
        return render_template("pages/accounts/person_sites.html", form=form, user=user), 422
    before = _seen_by(user)
    # Those with a role that approves anyway are not asked.
    may_approve = form.may_approve.data if user.role == Role.VIEWER else user.may_approve
    team.limit_to_sites(db.session(), user, form.chosen, may_approve=may_approve, now=now)
    after = _seen_by(user)
    changed = {
        name: {"from": before[name], "to": after[name]} for name in after if before[name] != after[name]
    }
    if changed:
        _note("user.sites_changed", user, now, changed)
    sees = "all sites" if user.site_ids is None else plural(len(user.site_ids), "site")
    return _done(f"{user.email} sees {sees} from now on.")


@allow(Role.OWNER)
def ask_second_factor_off(id: int) -> ResponseReturnValue:
    """What it means to switch off the second factor of somebody who lost it, with their passkeys."""
    user = _other_with_factor(id)
    held = passkeys.count_of(db.session(), user)
    return render_template("pages/accounts/second_factor_off.html", user=user, passkeys=held)


@allow(Role.OWNER)
def end_second_factor(id: int) -> ResponseReturnValue:
    """Switch it off and remove all passkeys: the device of either is lost. The person is signed out everywhere, and
    signs in with the password alone."""
    user, now = _other_with_factor(id), datetime.now(UTC)
    second_factor.switch_off(db.session(), user)
    removed = passkeys.remove_all(db.session(), user)
    sign_in.end_all(db.session(), user)
    _note("user.second_factor_off", user, now, {"passkeys_removed": removed} if removed else None)
    link = "" if user.password_hash else " They have no password: make a new sign-in link for them."
    return _done(f"The second factor of {user.email} is off. They are signed out everywhere.{link}")


@allow(Role.OWNER)
def switch_off(id: int) -> ResponseReturnValue:
    user, now = owned_or_404(User, id), datetime.now(UTC)
    team.deactivate(db.session(), user, current_person().actor, now)
    _note("user.switched_off", user, now)
    return _done(f"{user.email} can no longer sign in. What they made stays.")


@allow(Role.OWNER)
def switch_on(id: int) -> ResponseReturnValue:
    user, now = owned_or_404(User, id), datetime.now(UTC)
    team.reactivate(db.session(), user, now, most=_most())
    _note("user.switched_on", user, now)
    return _done(f"{user.email} can sign in again.")


def _other_with_factor(id: int) -> User:
    user = owned_or_404(User, id)
    if user.id == current_person().user.id:
        raise Conflict("Switch your own second factor off under Your settings, with one of its codes.")
    if second_factor.find(db.session(), user) is None and not passkeys.count_of(db.session(), user):
        raise Conflict(f"The second factor of {user.email} is off already.")
    return user


def _role(name: str) -> Role:
    if name not in list(Role):
        raise Invalid({"role": ["Choose one of the four roles."]})
    return Role(name)


def _page(form: NewPersonForm, link: str | None = None, user: User | None = None) -> str:
    people = team.people_of(db.session(), current_person().account.id)
    return render_template(
        "pages/accounts/team.html",
        form=form.offer(site_choices()),
        people=people,
        site_names=dict(site_choices()),
        roles=ROLES,
        with_second_factor=second_factor.people_with(db.session(), current_person().account.id),
        with_passkey=passkeys.people_with(db.session(), current_person().account.id),
        most=_most(),
        link=link,
        user=user,
        sends_mail=_settings().sends_mail,
    )


def _with_link(
    user: User, action: str, now: datetime, data: Mapping[str, object] | None = None
) -> ResponseReturnValue:
    token = welcome.issue_for(db.session(), user, now)
    _note(action, user, now, data)
    settings = _settings()
    if settings.sends_mail:
        mail_link(user, url_for("accounts.welcome", token=token), settings, now)
        return _done(f"A link to sign in is on its way to {user.email}. It works once, within seven days.")
    # From the setting, not from the request: its Host header is set by the client.
    address = settings.site_url + url_for("accounts.welcome", token=token)
    page = _page(NewPersonForm(formdata=None), address, user)
    db.session.commit()
    return page, 201


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found


def _most() -> int | None:
    plan = plan_of(db.session(), current_person().account)
    return plan.members if plan else None


def _seen_by(user: User) -> dict[str, object]:
    """What the audit log keeps of a person's sites."""
    return {"site_ids": user.site_ids, "may_approve": user.may_approve}


def _note(action: str, user: User, now: datetime, data: Mapping[str, object] | None = None) -> None:
    person = current_person()
    audit_log.record(db.session(), person.account.id, person.actor, action, user, data, now)


def _done(message: str) -> ResponseReturnValue:
    db.session.commit()
    flash(message, "success")
    return see_other(url_for("accounts.team"))
