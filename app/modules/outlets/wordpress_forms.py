"""The form of a site's WordPress."""

from wtforms import IntegerField, PasswordField, SelectField, StringField
from wtforms.validators import Length, Optional

from app.business.outlets.services.wordpress_connections import WordPressValues
from app.business.outlets.wordpress_models import WordPressConnection
from app.modules.forms import ConsoleForm, at_most, between, required
from app.modules.record_forms import options

PASSWORD_LIMIT = 500
MOST_PER_DAY = 1_000
STATUSES = {"draft": "As drafts", "publish": "Published at once"}


class WordPressForm(ConsoleForm):
    """An empty password keeps the stored one."""

    url = StringField(
        "Address of the site",
        [required("the address of the site"), at_most(2_000)],
        description="Of its front page, such as https://example.com or https://example.com/blog.",
        render_kw={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"},
    )
    username = StringField(
        "WordPress user",
        [required("the name of a WordPress user"), at_most(255)],
        description="With the role Author or Editor; an Editor can also create missing categories.",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    application_password = PasswordField(
        "Application password",
        [Length(max=PASSWORD_LIMIT, message=f"A password has at most {PASSWORD_LIMIT:,} characters.")],
        render_kw={"autocomplete": "new-password"},
    )
    default_status = SelectField(
        "How articles arrive",
        choices=options(STATUSES),
        description="Drafts are looked at and published by somebody in WordPress.",
    )
    categories = StringField(
        "Categories of every article",
        [at_most(2_000)],
        description="Separate several with commas. Labels such as “category: Tools” and “tag: oak” of an article "
        "add its own.",
        render_kw={"autocomplete": "off"},
    )
    author = StringField(
        "Author",
        [at_most(255)],
        description="A name as WordPress shows it. Empty: the user above.",
        render_kw={"autocomplete": "off"},
    )
    max_per_day = IntegerField(
        "Most articles published in a day",
        [Optional(), between(1, MOST_PER_DAY)],
        description="Further ones wait for the site's next day. Empty: no limit.",
        render_kw={"inputmode": "numeric"},
    )

    def fill(self, row: WordPressConnection) -> None:
        """With what is stored; the password is never shown."""
        for name in ("url", "username", "default_status", "author", "max_per_day"):
            self[name].data = getattr(row, name)
        self.categories.data = ", ".join(row.categories)

    @property
    def values(self) -> WordPressValues:
        """What was entered."""
        names = (name.strip() for name in (self.categories.data or "").split(","))
        return WordPressValues(
            url=self.url.data,
            username=self.username.data,
            application_password=self.application_password.data or None,
            default_status=self.default_status.data,
            categories=tuple(name for name in names if name),
            author=self.author.data or "",
            max_per_day=self.max_per_day.data,
        )
