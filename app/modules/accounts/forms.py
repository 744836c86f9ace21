"""Forms of sign-in, profile, team and account."""

from collections.abc import Sequence
from typing import Self

from wtforms import (
    BooleanField,
    EmailField,
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from app.business.accounts.models import Role
from app.business.accounts.services.notice_choices import KINDS, WAYS, NoticeKind, Way
from app.business.accounts.services.passkeys import LONGEST_NAME
from app.business.accounts.services.passwords import LONGEST, SHORTEST
from app.modules.forms import ConsoleForm, TimezoneField, at_most, between, required

TOO_LONG = Length(max=LONGEST, message=f"A password has at most {LONGEST} characters.")
ROLES = {
    Role.VIEWER: "Viewer: looks, changes nothing",
    Role.OPERATOR: "Operator: runs rules, edits records",
    Role.EDITOR: "Editor: creates and changes rules",
    Role.OWNER: "Owner: team, keys, plan, settings",
}

MOST_MINUTES = 10_000
MAY = {
    Role.VIEWER: "They may look at everything and change nothing.",
    Role.OPERATOR: "They may start, retry and cancel runs, and import and edit records; they may not change rules.",
    Role.EDITOR: "They may also create, change, switch and archive rules, which spend credits.",
    Role.OWNER: "They may do all that you may: team, keys, plan, sites, settings and credits. "
    "They may also take your own role away.",
}
"""What a change of role means, for the confirmation page."""


class SignInForm(ConsoleForm):
    """`kept`: a form that was submitted after the sign-in had expired, to be submitted again afterwards."""

    kept = HiddenField()
    email = EmailField("E-mail address", [required("your e-mail address"), at_most(255)])
    password = PasswordField("Password", [required("your password"), TOO_LONG])


class CodeForm(ConsoleForm):
    """`kept`: as in the form to sign in."""

    kept = HiddenField()
    code = StringField(
        "Code",
        [required("the code"), at_most(40)],
        description="Six digits from your device, or one of your recovery codes.",
    )


class SecondFactorForm(ConsoleForm):
    """`sealed`: the secret of the picture, encrypted."""

    sealed = HiddenField()
    password = PasswordField("Your password", [required("your password"), TOO_LONG])
    code = StringField(
        "Code", [required("the code"), at_most(20)], description="The six digits that your device shows now."
    )


class PasskeyForm(ConsoleForm):
    """What a person is asked before a passkey is made. Without the password or the code where they have none."""

    name = StringField(
        "Name",
        [required("a name"), at_most(LONGEST_NAME)],
        description="So that you know it again: say which device or password manager keeps it.",
    )
    password = PasswordField("Your password", [required("your password"), TOO_LONG])
    code = StringField(
        "Code",
        [required("the code"), at_most(40)],
        description="Six digits from your device, or one of your recovery codes.",
    )


class PasskeyNameForm(ConsoleForm):
    name = StringField("Name", [required("a name"), at_most(LONGEST_NAME)])


class PasskeyAnswerForm(ConsoleForm):
    """What the browser answered, as JSON. kept: as in the form to sign in."""

    kept = HiddenField()
    credential = HiddenField(validators=[required("a passkey"), at_most(20_000)])


class NewPasskeyForm(PasskeyAnswerForm):
    name = HiddenField(validators=[required("a name"), at_most(LONGEST_NAME)])


class NewPasswordForm(ConsoleForm):
    """Without the present password: only for people who have none yet, or signed in by a link."""

    password = PasswordField(
        "New password",
        [required("a new password"), TOO_LONG],
        description=f"At least {SHORTEST} characters; several words make a good one.",
    )
    end_keys = BooleanField("End my API keys too")
    end_passkeys = BooleanField("Remove my passkeys too")


class ChangePasswordForm(NewPasswordForm):
    present = PasswordField("Present password", [required("your present password"), TOO_LONG])


class ProfileForm(ConsoleForm):
    name = StringField("Name", [at_most(255)])
    timezone = TimezoneField("Time zone", description="Times on all pages are shown in this zone.")


class NoticeChoicesForm(ConsoleForm):
    """One field for each kind of notice, by its name."""

    incident = SelectField(KINDS[NoticeKind.INCIDENT])
    rule = SelectField(KINDS[NoticeKind.RULE], description="A mail at once only where the rule says so.")
    credits = SelectField(KINDS[NoticeKind.CREDITS])
    late = SelectField(KINDS[NoticeKind.LATE])
    attention = SelectField(KINDS[NoticeKind.ATTENTION])
    morning = SelectField(KINDS[NoticeKind.MORNING])

    def offer(self, *, has_general: bool) -> None:
        """The ways to choose from; has_general: also what was chosen for everything."""
        general = [("", "As for everything")] if has_general else []
        ways = [(str(way), words) for way, words in WAYS.items()]
        for kind in KINDS:
            self[kind].choices = general + ways
        self.morning.choices = [(way, words) for way, words in ways if way != Way.DIGEST]
        if has_general:
            del self.morning


class SitesForm(ConsoleForm):
    """Which sites a person sees. `role`: the one that the person has, or is to have."""

    sees = RadioField("Which sites", choices={"all": "All sites", "some": "Only these:"}, default="all")
    site_ids = SelectMultipleField(
        "Sites", coerce=int, choices=[], widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )
    may_approve = BooleanField(
        "May approve articles and send them back",
        description="For viewers, such as a client who releases texts. Operators, editors and owners may anyway.",
    )

    def offer(self, sites: Sequence[tuple[int, str]]) -> Self:
        """With the sites of the account."""
        self.site_ids.choices = [SelectChoice(id, name) for id, name in sites]
        return self

    def fits(self, role: str) -> bool:
        """Whether the sites suit the role; errors stand beside the fields. Call it on a valid form."""
        if self.sees.data == "some" and role == Role.OWNER:
            self.sees.errors = ["An owner sees all sites."]
        elif self.sees.data == "some" and not self.site_ids.data:
            self.site_ids.errors = ["Tick at least one site."]
        return not self.errors

    @property
    def chosen(self) -> list[int] | None:
        """The sites; None for all."""
        return self.site_ids.data if self.sees.data == "some" else None


class NewPersonForm(SitesForm):
    email = EmailField("E-mail address", [required("an e-mail address"), at_most(255)])
    name = StringField("Name", [at_most(255)])
    role = SelectField("Role", choices=ROLES, default=Role.OPERATOR)


class AccountForm(ConsoleForm):
    name = StringField("Account name", [required("a name"), at_most(255)])
    timezone = TimezoneField(
        "Time zone",
        description="Days and months of limits, budgets and credits begin in this zone.",
    )
    daily_ceiling = IntegerField(
        "Daily ceiling",
        [Optional(), between(0, 1_000_000_000)],
        description="Most credits of all rules together in a day. Leave it empty for no ceiling.",
    )
    chain_notice_credits = IntegerField(
        "Warn when a chain of runs uses more within an hour",
        [Optional(), between(1, 1_000_000_000)],
        description="In credits. Empty: a tenth of the monthly grant.",
    )
    second_factor_required = BooleanField(
        "Everybody needs a second factor",
        description="Whoever has none is led to set it up at their next page, you too, and can do nothing else until "
        "then. A passkey is one. API keys go on working.",
    )
    rule_approval_required = BooleanField(
        "Rule changes need a second person",
        description="What makes a rule act, or act otherwise than before, waits until somebody else who may edit rules "
        "has approved it. Switching off, pausing, practising and lower limits hold at once.",
    )
    operator_credit_limit = IntegerField(
        "Largest run an operator may start",
        [between(0, 1_000_000_000)],
        description="In credits. A dearer run needs an editor.",
    )
    minutes_cluster = IntegerField("To group keywords into a cluster", [Optional(), between(0, MOST_MINUTES)])
    minutes_idea = IntegerField("To find a content idea", [Optional(), between(0, MOST_MINUTES)])
    minutes_task = IntegerField("To write a task", [Optional(), between(0, MOST_MINUTES)])
    minutes_content = IntegerField("To write an article", [Optional(), between(0, MOST_MINUTES)])
