"""The text of an article in a form: formatted text where scripts run, Markdown where they do not."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from wtforms import TextAreaField
from wtforms.widgets import TextArea

from app.business.writer.services.article_html import from_markdown
from app.business.writer.services.article_markdown import to_markdown

MARKDOWN = "markdown"


class ArticleField(TextAreaField):
    """`data` is HTML. `<name>-as` says what was sent: "markdown", else HTML; the script of the editor sets it.

    Text that was not changed stays the HTML that it was: Markdown cannot say all of it.
    """

    widget = TextArea()

    def process(self, formdata: Any, *args: Any, **kwargs: Any) -> None:
        """Take the text as what it was sent as."""
        self.sent_as = formdata.get(f"{self.name}-as", "") if formdata else ""
        super().process(formdata, *args, **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Markdown becomes HTML; HTML is checked by the service that saves it."""
        if not valuelist:
            return
        sent = valuelist[0]
        if self.sent_as != MARKDOWN:
            self.data = sent
        elif _lines(sent) != _lines(self.markdown):
            self.data = from_markdown(sent)

    @property
    def markdown(self) -> str:
        """The text as a person without scripts edits it."""
        return to_markdown(self.data or "")

    @property
    def source(self) -> str:
        """The text for the editor."""
        return self.data or ""

    def _value(self) -> str:
        return self.markdown

    def __call__(self, **kwargs: Any) -> Markup:
        """The Markdown, and what says that it is Markdown."""
        sent_as = Markup('<input type="hidden" name="{}-as" value="{}">').format(self.name, MARKDOWN)
        area: Markup = super().__call__(**kwargs)
        return sent_as + area


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
