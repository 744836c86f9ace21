"""The form of the AI service."""

from wtforms import BooleanField, FloatField, PasswordField, StringField
from wtforms.validators import Length, Optional

from app.business.outlets.models import AiConnection
from app.business.outlets.services.ai_connections import MONEY, MOST_MONEY, ConnectionValues, money
from app.modules.forms import ConsoleForm, at_most, between, required

KEY_LIMIT = 2_000
AMOUNT = {"inputmode": "decimal", "autocomplete": "off"}


class AiConnectionForm(ConsoleForm):
    """An empty key keeps the stored one."""

    base_url = StringField(
        "Address",
        [required("the address of the service"), at_most(2_000)],
        description="As its documentation gives it, such as https://api.openai.com/v1.",
        render_kw={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"},
    )
    api_key = PasswordField(
        "Key",
        [Length(max=KEY_LIMIT, message=f"A key has at most {KEY_LIMIT:,} characters.")],
        render_kw={"autocomplete": "new-password"},
    )
    no_key = BooleanField("The service needs no key: delete the stored one")
    model = StringField(
        "Model",
        [required("the name of a model"), at_most(255)],
        description="As the service names it. It makes ideas, and articles too unless you name another.",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    article_model = StringField(
        "Another model for articles",
        [at_most(255)],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    embedding_model = StringField(
        "Model for grouping keywords",
        [at_most(255)],
        description="One that makes vectors (embeddings). Empty: the built-in one, which knows English best.",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    price_in = FloatField(
        "Price of a million tokens sent", [Optional(), between(0, MOST_MONEY)], render_kw=AMOUNT
    )
    price_out = FloatField(
        "Price of a million tokens written", [Optional(), between(0, MOST_MONEY)], render_kw=AMOUNT
    )
    monthly_limit = FloatField(
        "Most to spend in a month",
        [Optional(), between(0, MOST_MONEY)],
        description="In the currency of the prices. At it nothing more is asked of the service. Empty: no limit.",
        render_kw=AMOUNT,
    )

    def fill(self, row: AiConnection) -> None:
        """With what is stored; the key is never shown."""
        for name in ("base_url", "model", "article_model", "embedding_model"):
            self[name].data = getattr(row, name)
        for name in MONEY:
            amount = money(getattr(row, name))
            # Not `20.0`.
            self[name].data = int(amount) if amount is not None and amount.is_integer() else amount

    @property
    def values(self) -> ConnectionValues:
        """What was entered."""
        return ConnectionValues(
            base_url=self.base_url.data,
            model=self.model.data,
            article_model=self.article_model.data or "",
            embedding_model=self.embedding_model.data or "",
            api_key="" if self.no_key.data else self.api_key.data or None,
            **{name: self[name].data for name in MONEY},
        )
