"""Articles as Markdown that becomes the same article again: to download, and to edit where no script runs."""


def to_markdown(html: str) -> str:
    """`html` of an article as Markdown. What Markdown cannot say (raised and lowered letters) becomes plain text."""
    # Imported here: its parser of HTML takes five megabytes, and few processes ever need it.
    from app.business.writer.services.markdown_converter import Converter

    return str(Converter().convert(html)).strip()
