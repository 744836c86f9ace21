"""Articles as safe HTML: from a provider's Markdown or a person's editor, through one allow-list."""

import re
from collections.abc import Iterable
from html import escape

import nh3
from markdown_it import MarkdownIt

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h2", "h3", "h4", "hr", "li", "ol", "p", "pre", "strong", "sub", "sup",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_SYNONYMS = {"b": "strong", "i": "em", "h1": "h2", "h5": "h4", "h6": "h4", "div": "p"}
"""What editors and word processors write for elements that an article has."""
_SYNONYM = re.compile(rf"<(/?)({'|'.join(_SYNONYMS)})(?=[\s/>])", re.IGNORECASE)
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_WORD = re.compile(r"\w+(?:[’'.,-]\w+)*")
_BLOCK_END = re.compile(r"</(?:p|li|h\d|t[dhr]|blockquote|pre)>|<[bh]r\s*/?>")
_TAG = re.compile(r"""(<(?:[^"'>]|"[^"]*"|'[^']*')*>)""")
_ENTITY = re.compile(r"&[#\w]+;")


def from_markdown(text: str) -> str:
    """Safe HTML of a Markdown text; HTML within it is shown as text."""
    return clean_html(_MARKDOWN.render(text))


def clean_html(html: str) -> str:
    """`html` with plain article markup only: no scripts, styles, images, forms or unusual addresses."""
    named = _SYNONYM.sub(lambda tag: f"<{tag[1]}{_SYNONYMS[tag[2].lower()]}", html)
    return nh3.clean(
        named, tags=_TAGS, attributes={"a": {"href", "title"}}, url_schemes={"http", "https", "mailto"}
    ).strip()


def mark_quotes(html: str, quotes: Iterable[str]) -> str:
    """Clean HTML in which these sentences are marked, where no markup stands within them."""
    parts = _TAG.split(html)
    for quote in map(escape_text, quotes):
        # Every other part is a tag, whose attributes may hold the same words.
        place = next((place for place in range(0, len(parts), 2) if quote in parts[place]), None)
        if place is not None:
            marked = f'<mark title="Check this">{quote}</mark>'
            parts[place] = parts[place].replace(quote, marked, 1)
    return "".join(parts)


def escape_text(text: str) -> str:
    """As it stands in clean HTML, outside of attributes."""
    return escape(text, quote=False)


def count_words(html: str) -> int:
    """Words that a reader sees; an article's price is computed from them."""
    # Without a space at the end of a block, its last word would join the next block's first one.
    text = nh3.clean(_BLOCK_END.sub(" ", html), tags=set())
    return len(_WORD.findall(_ENTITY.sub(" ", text)))


def shorten(text: str, limit: int) -> str:
    """`text` cut at a word so that it has at most `limit` characters."""
    if len(text) <= limit:
        return text
    cut = text[:limit].rsplit(" ", 1)[0] if " " in text[:limit] else text[:limit]
    return cut.rstrip(" ,;:.–—-|")
