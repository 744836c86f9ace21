"""How the HTML of articles is written as Markdown."""

import re

from markdownify import MarkdownConverter

_SPACES = re.compile(r"\s+")
_SIGNS = re.compile(r"[\\`*_\[\]|]|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
_FIRST = re.compile(r"^(\s*)([#>~=+-])")
_NUMBERED = re.compile(r"^(\s*\d{1,9})([.)])")


class Converter(MarkdownConverter):
    """Escapes only what would become markup: the library escapes every hyphen and full stop of a text."""

    class Options:
        """What `article_html.from_markdown` reads."""

        heading_style = "atx"
        bullets = "-"
        sub_symbol = sup_symbol = ""
        table_infer_header = True

    def escape(self, text: str, parent_tags: set[str]) -> str:
        """`text` with a backslash before each sign that would not stand for itself."""
        plain = _SIGNS.sub(r"\\\g<0>", _SPACES.sub(" ", text))
        return _NUMBERED.sub(r"\1\\\2", _FIRST.sub(r"\1\\\2", plain))
